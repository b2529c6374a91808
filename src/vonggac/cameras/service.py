"""The registry of cameras: add, change, find, list, and what a recorder needs of them.

Functions take a session and never commit. Credentials are sealed before they reach the database and leave it only
through `credentials`, `stream_url`, `sources` and `onvif_sources`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.cameras import events, sealing
from vonggac.cameras.address import Credentials, StreamAddress, host_of
from vonggac.cameras.models import Camera
from vonggac.cameras.schemas import (
    CameraChanges,
    NewCamera,
    Transport,
    camera_transport,
    check_days,
    check_streams,
    check_transport,
)
from vonggac.core import text
from vonggac.core.clock import utc_now
from vonggac.core.errors import Invalid, NotFound, VonggacError
from vonggac.core.eventlog import announce
from vonggac.core.i18n import N_
from vonggac.core.ids import new_id, short_id
from vonggac.core.secrets import SecretBox
from vonggac.org import service as org
from vonggac.org.models import Unit

STREAMS = {"main": "url", "sub": "sub_url"}
"""Names of a camera's streams, and the columns of their addresses."""

_CANDIDATES = 8
_NAME_TAKEN = N_("The name “{name}” is taken in this unit by camera {number} ({other}).")
_NAME_TWICE = N_("The name “{name}” is taken in this unit by another new camera ({other}).")
_ADDRESS_TAKEN = N_("The address {address} is already that of camera {number} ({other}).")
_ADDRESS_TWICE = N_("The address {address} is already that of another new camera ({other}).")


@dataclass(frozen=True, slots=True)
class CameraSource:
    """What a recorder needs of one camera. `repr` shows no credentials."""

    id: uuid.UUID
    number: int
    name: str
    folder: str
    unit_id: uuid.UUID
    url: str = field(repr=False)
    """Address of the main stream with its credentials, percent-encoded."""
    sub_url: str = field(repr=False)
    """The same of the sub-stream; empty when there is none."""
    enabled: bool = True
    transport: Transport = "tcp"
    tls_fingerprint: str = ""
    """SHA-256 of the certificate that an rtsps:// camera must show; empty: any that this machine trusts."""
    record_audio: bool = False
    """Whether its sound is recorded, too: the setting of its unit, or of the nearest above that has one."""
    fault: str = ""
    """Why the stored credentials could not be opened, in plain words; the addresses are then without them."""


@dataclass(frozen=True, slots=True)
class OnvifSource:
    """What whoever asks a camera for its events needs of it. `repr` shows no password."""

    id: uuid.UUID
    number: int
    unit_id: uuid.UUID
    url: str
    """Of the device service, without credentials."""
    credentials: Credentials | None = None
    fault: str = ""
    """Why the stored credentials could not be opened, in plain words."""


class NameTaken(Invalid):
    """Another camera of the unit has this name."""


class AddressTaken(Invalid):
    """Another camera has this address."""


class CredentialsWanted(Invalid):
    """The new address is another machine: what is stored is not sent there unasked."""

    def __init__(self, column: str) -> None:
        """`column`: of the address."""
        super().__init__(
            N_(
                "The new address is another machine, so the stored user and password are not sent there. Give them "
                "anew, or choose to forget them."
            )
        )
        self.column = column


class ChangedMeanwhile(VonggacError):
    """Somebody else has changed the camera since whoever wants to change it has seen it."""


def add_camera(session: Session, box: SecretBox, new: NewCamera) -> Camera:
    """Add one camera and return it with its number; Invalid when its name or address is taken."""
    return add_cameras(session, box, [new])[0]


def add_cameras(session: Session, box: SecretBox, news: Sequence[NewCamera]) -> list[Camera]:
    """Add cameras, all or none, in the order given; Invalid names the first that clashes."""
    if not news:
        return []
    identities = [new_id() for _ in news]
    # Announced first: on PostgreSQL that takes the lock under which numbers are given and clashes looked for.
    for identity, new in zip(identities, news, strict=True):
        announce(session, events.CAMERA_ADDED, subject=identity, unit_id=new.unit_id)
    for clash in clashes(session, news):
        if clash is not None:
            raise clash
    number = session.scalar(sa.select(sa.func.max(Camera.number))) or 0
    cameras = [
        _camera(identity, number + place, new, box)
        for place, (identity, new) in enumerate(zip(identities, news, strict=True), 1)
    ]
    session.add_all(cameras)
    session.flush()
    return cameras


def clashes(session: Session, news: Iterable[NewCamera]) -> list[Invalid | None]:
    """Return for each new camera why it cannot stand beside the others; None when it can.

    A name is given once within a unit, else nobody could name the camera; an address once in the centre, else one
    camera would be recorded twice (and many allow few sessions).
    """
    names: dict[tuple[uuid.UUID, str], tuple[int, str]] = {}
    addresses: dict[str, tuple[int, str]] = {}
    query = sa.select(Camera.number, Camera.name, Camera.unit_id, Camera.url).where(Camera.removed_at.is_(None))
    for number, name, unit_id, url in session.execute(query):
        names[unit_id, name.casefold()] = addresses[url] = number, name
    found: list[Invalid | None] = []
    for new in news:
        key = (new.unit_id, new.name.casefold())
        url = new.address.url
        if key in names:
            number, other = names[key]
            found.append(NameTaken(_NAME_TAKEN if number else _NAME_TWICE, name=new.name, number=number, other=other))
        elif url in addresses:
            number, other = addresses[url]
            found.append(
                AddressTaken(_ADDRESS_TAKEN if number else _ADDRESS_TWICE, address=url, number=number, other=other)
            )
        else:
            found.append(None)
        # Those that come with it have no number yet.
        names.setdefault(key, (0, new.name))
        addresses.setdefault(url, (0, new.name))
    return found


def address_taken(url: str, number: int, name: str) -> AddressTaken:
    """Return in words that another camera has an address."""
    return AddressTaken(_ADDRESS_TAKEN, address=url, number=number, other=name)


def edit_camera(session: Session, box: SecretBox, camera: Camera, changes: CameraChanges) -> list[str]:
    """Change a camera; returns the names of the fields that changed, none when everything was so already.

    Its number and its folder stay. Invalid when the new name or address is taken, CredentialsWanted when an address on
    another host comes without user and password while some are stored: whoever may change an address could else have
    the password sent to a machine of his own. ChangedMeanwhile when it is not of the version any more that the changes
    were made to.
    """
    if camera.removed_at is not None:
        raise Invalid(
            N_("Camera {number} was removed and cannot be changed. Add it anew instead."), number=camera.number
        )
    wanted: dict[str, Any] = {
        "unit_id": changes.unit_id,
        "kind": changes.kind,
        "enabled": changes.enabled,
        "transport": changes.transport,
        "tls_fingerprint": changes.tls_fingerprint,
    }
    if changes.name is not None:
        wanted |= _name_columns(changes.name)
    wanted = {name: value for name, value in wanted.items() if value is not None} | changes.record
    if changes.forget_position or changes.position is not None:
        wanted["latitude"], wanted["longitude"] = changes.position or (None, None)
    if changes.days:
        wanted |= {"min_days": camera.min_days, "max_days": camera.max_days, **changes.days}
        check_days(wanted["min_days"], wanted["max_days"])
    before = _open_for_change(camera, changes, box)
    streams = _changed_streams(camera, changes, before or {})
    wanted |= {column: address.url for column, address in streams.items()}
    changed = [name for name, value in wanted.items() if getattr(camera, name) != value]
    if {"url", "transport", "tls_fingerprint"} & set(changed):
        travels = camera_transport(wanted.get("transport", camera.transport))
        check_transport(travels, wanted["url"], wanted.get("tls_fingerprint", camera.tls_fingerprint))
    if {"url", "sub_url"} & set(changed):
        check_streams(wanted["url"], wanted["sub_url"])
    sealed = sealing.sealable(streams)
    if sealed != before:
        wanted["secret"] = sealing.seal(sealed, camera.id, box)
        changed.append("secret")
    if changed:
        # Both units hear of a move. Announced first: see `add_cameras`.
        for unit_id in dict.fromkeys((camera.unit_id, wanted.get("unit_id", camera.unit_id))):
            announce(session, events.CAMERA_CHANGED, subject=camera.id, unit_id=unit_id, fields=changed)
        # Only now: under the lock nobody else changes it any more.
        session.refresh(camera, ["version"])
        if changes.version not in (None, camera.version):
            raise ChangedMeanwhile(N_("Somebody else has changed this camera meanwhile."))
        _refuse_clash(session, camera, wanted, changed)
        for name in changed:
            setattr(camera, name, wanted[name])
        camera.version += 1
        session.flush()
    return changed


def remove_camera(session: Session, camera: Camera) -> None:
    """Take a camera out of the list and forget its credentials; its recordings stay until their time is over."""
    if camera.removed_at is not None:
        return
    camera.removed_at = utc_now()
    camera.enabled = False
    camera.secret = None
    session.flush()
    announce(session, events.CAMERA_REMOVED, subject=camera.id, unit_id=camera.unit_id)


def find_camera(session: Session, named: str, *, removed: bool = False) -> Camera:
    """Return the camera of a number, an exact name, or a unique part of a name (accents may be left out).

    NotFound when none fits, Invalid with the candidates when several do. `removed` looks among removed cameras too.
    """
    wanted = text.normalise(named)
    folded = text.fold(wanted)
    query = sa.select(Camera).order_by(Camera.name_sort, Camera.number)
    if not removed:
        query = query.where(Camera.removed_at.is_(None))
    if wanted.removeprefix("#").isdecimal():
        number = int(wanted.removeprefix("#"))
        found = session.scalars(query.where(Camera.number == number)).first() if number < 2**31 else None
        if found is None:
            raise NotFound(f"There is no camera number {number}. `vonggac camera list` shows them all.")
        return found
    if not folded:
        raise Invalid("Name the camera by its number, its name or a part of its name.")
    for condition in (
        Camera.name == wanted,
        Camera.name_folded == folded,
        Camera.name_folded.contains(folded, autoescape=True),
    ):
        cameras = list(session.scalars(query.where(condition).limit(_CANDIDATES + 1)))
        if len(cameras) == 1:
            return cameras[0]
        if cameras:
            raise Invalid(_ambiguous(named, cameras))
    raise NotFound(f"There is no camera {named!r}. `vonggac camera list --search WORD` looks for one.")


def list_cameras(
    session: Session,
    *,
    unit: Unit | None = None,
    kind: str = "",
    search: str = "",
    removed: bool = False,
) -> list[Camera]:
    """Return cameras in Vietnamese order of their names: those of a unit and all below it, of a kind, with all the
    words of `search` in their names (accents may be left out). `removed` lists removed ones as well.
    """
    query = sa.select(Camera).order_by(Camera.name_sort, Camera.number)
    if not removed:
        query = query.where(Camera.removed_at.is_(None))
    if unit is not None:
        query = query.where(Camera.unit_id.in_(org.subtree_ids(session, unit)))
    if kind:
        query = query.where(Camera.kind == kind)
    for word in text.fold(search).split():
        query = query.where(Camera.name_folded.contains(word, autoescape=True))
    return list(session.scalars(query))


def credentials(camera: Camera, box: SecretBox, stream: str = "main") -> Credentials | None:
    """Return user and password of a stream; None when there are none.

    A sub-stream on the same host as the main one shares its credentials. VonggacError when the key does not fit.
    """
    opened = sealing.open_of(camera, box) if camera.secret is not None else {}
    return sealing.credentials(opened, STREAMS[stream], camera.url, camera.sub_url)


def stream_url(camera: Camera, box: SecretBox, stream: str = "main") -> str:
    """Return the address of a stream with its credentials, percent-encoded; empty when there is no such stream."""
    opened = sealing.open_of(camera, box) if camera.secret is not None else {}
    return sealing.whole_url(opened, STREAMS[stream], camera.url, camera.sub_url)


def sources(session: Session, box: SecretBox) -> list[CameraSource]:
    """Return every camera that is to be recorded (not removed, enabled), in the order of their numbers."""
    query = (
        sa.select(
            Camera.id,
            Camera.number,
            Camera.name,
            Camera.folder,
            Camera.unit_id,
            Camera.url,
            Camera.sub_url,
            Camera.secret,
            Camera.transport,
            Camera.tls_fingerprint,
        )
        .where(Camera.removed_at.is_(None), Camera.enabled)
        .order_by(Camera.number)
    )
    with_audio = org.recorded_with_audio(session)
    found = []
    for key, number, name, folder, unit_id, url, sub_url, secret, transport, pin in session.execute(query):
        opened: sealing.Opened = {}
        fault = ""
        if secret is not None:
            try:
                opened = sealing.open_secret(secret, key, box)
            except VonggacError as error:
                # One row of another key must not stop the recording of the others.
                fault = str(error)
        main, sub = (sealing.whole_url(opened, column, url, sub_url) for column in STREAMS.values())
        travels = camera_transport(transport)
        found.append(
            CameraSource(
                key,
                number,
                name,
                folder,
                unit_id,
                main,
                sub,
                transport=travels,
                tls_fingerprint=pin,
                record_audio=unit_id in with_audio,
                fault=fault,
            )
        )
    return found


def onvif_sources(session: Session, box: SecretBox) -> list[OnvifSource]:
    """Return every camera that is to be asked for its events: recorded, and with an ONVIF address.

    One on the same host as the main stream shares its credentials where it has none of its own.
    """
    query = (
        sa.select(Camera)
        .where(Camera.removed_at.is_(None), Camera.enabled, Camera.onvif_url != "")
        .order_by(Camera.number)
    )
    found = []
    for camera in session.scalars(query):
        opened: sealing.Opened = {}
        fault = ""
        try:
            opened = sealing.open_of(camera, box) if camera.secret is not None else {}
        except VonggacError as error:
            fault = str(error)
        known = sealing.stream(opened, "onvif_url", "").credentials
        if known is None and host_of(camera.url) == host_of(camera.onvif_url):
            known = sealing.stream(opened, "url", "").credentials
        found.append(OnvifSource(camera.id, camera.number, camera.unit_id, camera.onvif_url, known, fault))
    return found


# --- changing ----------------------------------------------------------------------------------------------------


def _camera(identity: uuid.UUID, number: int, new: NewCamera, box: SecretBox) -> Camera:
    streams = {"url": new.address}
    if new.sub_address is not None:
        streams["sub_url"] = new.sub_address
    if new.onvif_address is not None:
        streams["onvif_url"] = new.onvif_address
    return Camera(
        id=identity,
        number=number,
        **_name_columns(new.name),
        folder=f"{text.slug(new.name)}-{short_id(identity)}",
        unit_id=new.unit_id,
        kind=new.kind,
        url=new.address.url,
        sub_url=new.sub_address.url if new.sub_address is not None else "",
        onvif_url=new.onvif_address.url if new.onvif_address is not None else "",
        secret=sealing.seal(sealing.sealable(streams), identity, box),
        latitude=new.latitude,
        longitude=new.longitude,
        enabled=new.enabled,
        transport=new.transport,
        tls_fingerprint=new.tls_fingerprint,
        min_days=new.min_days,
        max_days=new.max_days,
        **asdict(new.record),
        created_at=utc_now(),
    )


def _name_columns(name: str) -> dict[str, str]:
    return {"name": name, "name_folded": text.fold(name)[:200], "name_sort": text.sort_key(name)[:700]}


def _open_for_change(camera: Camera, changes: CameraChanges, box: SecretBox) -> sealing.Opened | None:
    """Return what is sealed; None when the key does not fit and the changes bring new credentials anyway."""
    if camera.secret is None:
        return {}
    try:
        return sealing.open_of(camera, box)
    except VonggacError:
        given = changes.credentials or (changes.address and changes.address.credentials)
        if given or changes.forget_credentials:
            return None
        raise


def _changed_streams(camera: Camera, changes: CameraChanges, before: sealing.Opened) -> dict[str, StreamAddress]:
    streams = {}
    given = {"url": changes.address, "sub_url": changes.sub_address, "onvif_url": changes.onvif_address}
    for column, new in given.items():
        old = sealing.stream(before, column, getattr(camera, column))
        if changes.forget_credentials:
            old = replace(old, credentials=None)
        elif new is not None and _sent_elsewhere(camera, changes, column, old, new):
            raise CredentialsWanted(column)
        stream = old if new is None else replace(new, credentials=new.credentials or old.credentials)
        if column == "url" and changes.credentials is not None:
            stream = replace(stream, credentials=changes.credentials)
        streams[column] = stream if stream.url else StreamAddress("")
    return streams


def _sent_elsewhere(
    camera: Camera, changes: CameraChanges, column: str, old: StreamAddress, new: StreamAddress
) -> bool:
    """Return whether stored credentials would go to another host than before."""
    given = new.credentials is not None or (column == "url" and changes.credentials is not None)
    return (
        bool(new.url)
        and old.credentials is not None
        and not given
        and host_of(new.url) != host_of(getattr(camera, column))
    )


def _refuse_clash(session: Session, camera: Camera, wanted: dict[str, Any], changed: list[str]) -> None:
    others = sa.select(Camera.number, Camera.name).where(Camera.removed_at.is_(None), Camera.id != camera.id)
    if "url" in changed and (found := session.execute(others.where(Camera.url == wanted["url"])).first()):
        raise address_taken(wanted["url"], found.number, found.name)
    if not {"name", "unit_id"} & set(changed):
        return
    name = wanted.get("name", camera.name)
    same = others.where(
        Camera.unit_id == wanted.get("unit_id", camera.unit_id), Camera.name_folded == text.fold(name)[:200]
    )
    for number, other in session.execute(same):
        if other.casefold() == name.casefold():
            raise NameTaken(_NAME_TAKEN, name=name, number=number, other=other)


def _ambiguous(named: str, cameras: Sequence[Camera]) -> str:
    shown = ", ".join(f"{camera.number} {camera.name}" for camera in cameras[:_CANDIDATES])
    more = " and more" if len(cameras) > _CANDIDATES else ""
    return f"{named!r} fits several cameras: {shown}{more}. Use the number, or more of the name."
