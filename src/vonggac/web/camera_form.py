"""The form of a camera: what somebody typed, field by field, and what is wrong with it in his words."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy.orm import Session

from vonggac.cameras import schemas
from vonggac.cameras.address import HIDDEN, Credentials, StreamAddress, check_credentials, host_of, shown, split_address
from vonggac.cameras.models import Camera
from vonggac.cameras.record import LABELS, NAMES, Record, RecordValue, field_value, written
from vonggac.cameras.schemas import CameraChanges, NewCamera
from vonggac.core.errors import Invalid, VonggacError
from vonggac.core.i18n import N_
from vonggac.org import service as org
from vonggac.shell.visit import Visit
from vonggac.shell.words import Words

T = TypeVar("T")

FIELD_WORDS: dict[str, str] = {
    "name": N_("Name of the camera"),
    "unit": N_("Unit"),
    "kind": N_("Kind"),
    "enabled": N_("Record this camera"),
    "url": N_("Address"),
    "user": N_("User name"),
    "password": N_("Password"),
    "sub_url": N_("Address of the small stream"),
    "transport": N_("Transport"),
    "tls_fingerprint": N_("Certificate fingerprint"),
    "latitude": N_("Latitude"),
    "longitude": N_("Longitude"),
    "min_days": N_("Keep at least (days)"),
    "max_days": N_("Delete after (days)"),
    **LABELS,
}
"""What the fields are called, in the order in which their faults are listed."""
TRANSPORT_WORDS = {"tcp": N_("TCP, inside the RTSP connection"), "udp": N_("UDP, beside it")}
_SECRET = frozenset({"password", "csrf"})
_ADDRESSES = ("url", "sub_url")


@dataclass(frozen=True, slots=True)
class UnitChoice:
    """A unit that a camera may be given to, and how deep it stands in the tree."""

    id: str
    name: str
    depth: int


@dataclass(slots=True)
class CameraForm:
    """Texts by field, faults by field, and what was changed by somebody else meanwhile. Holds no password."""

    values: dict[str, str]
    problems: dict[str, str] = field(default_factory=dict)
    """What is wrong, by field; "" for what concerns none."""
    changed: dict[str, str] = field(default_factory=dict)
    """What somebody else has meanwhile written into a field that this form has otherwise."""

    def get(self, name: str) -> str:
        """Return the text of a field."""
        return self.values.get(name, "")

    @property
    def record_touched(self) -> bool:
        """Whether something was typed into a field of the record."""
        return any(self.values.get(name) or name in self.problems for name in NAMES)


class FormReader:
    """Reads fields one by one and gathers what is wrong instead of stopping at the first."""

    def __init__(self, posted: Mapping[str, str], words: Words) -> None:
        values = {name: text for name, text in posted.items() if name not in _SECRET}
        self.form = CameraForm(values | {name: shown(values[name]) for name in _ADDRESSES if name in values})
        self._posted = posted
        self._words = words

    def text(self, name: str) -> str:
        """Return what was typed, "" for nothing."""
        return self._posted.get(name, "").strip()

    def read(self, name: str, reading: Callable[[], T], otherwise: T) -> T:
        """Return what `reading` makes of a field; what it refuses is noted, and `otherwise` returned."""
        try:
            return reading()
        except Invalid as refused:
            self.note(name, refused)
            return otherwise

    def note(self, name: str, error: VonggacError) -> None:
        """Note what is wrong with a field."""
        self.form.problems.setdefault(name, self._words.explain(error))

    @property
    def has_password(self) -> bool:
        """Whether a password was typed."""
        return bool(self._posted.get("password"))

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong so far."""
        return not self.form.problems

    def address(self, name: str = "url") -> StreamAddress:
        """Return an address; empty where none is given or it cannot be one."""
        if not self.text(name):
            return StreamAddress("")
        if f"={HIDDEN}" in self.text(name):
            self.note(name, Invalid(N_("Type the password in the address anew, in place of the stars.")))
            return StreamAddress("")
        return self.read(name, lambda: split_address(self.text(name)), StreamAddress(""))

    def credentials(self, known: Credentials | None) -> Credentials | None:
        """Return user and password: what was typed, completed by what is known; None where neither is there."""
        user, password = self.text("user"), self._posted.get("password", "")
        if not user and not password:
            return known
        if not user and known is None:
            self.note("user", Invalid(N_("A password needs a user name.")))
            return None
        name = user or (known.user if known is not None else "")
        word = password or (known.password if known is not None and known.user == name else "")
        return self.read("user", lambda: check_credentials(name, word), None)

    def days(self, name: str) -> int | None:
        """Return a number of days, None for the centre's."""
        said = self.text(name)
        if said and not said.isdecimal():
            self.note(name, Invalid(N_("This is no number of days. Leave it empty for the centre's own.")))
        return int(said) if said.isdecimal() and len(said) < 7 else None

    def unit(self, choices: Iterable[UnitChoice]) -> uuid.UUID | None:
        """Return the chosen unit; it must be one that was offered."""
        if self.text("unit") not in {choice.id for choice in choices}:
            self.note("unit", Invalid(N_("Choose the unit that the camera belongs to.")))
            return None
        return uuid.UUID(hex=self.text("unit"))

    def record(self) -> dict[str, RecordValue]:
        """Return the record, field by field."""
        return {name: self._of_record(name) for name in NAMES}

    def _of_record(self, name: str) -> RecordValue:
        return self.read(name, lambda: field_value(name, self._posted.get(name, "")), None)

    def position(self) -> tuple[float, float] | None:
        """Return latitude and longitude; None where none is given."""
        north, east = self.text("latitude"), self.text("longitude")
        # Coordinates are copied from maps as one text: "11.735, 108.373".
        if "," in north and not east:
            north, _, east = (part.strip() for part in north.partition(","))
        return self.read("latitude", lambda: schemas.camera_position(north, east), None)


def units_for(session: Session, visit: Visit) -> list[UnitChoice]:
    """Return the units whose cameras the visitor may manage, parents first."""
    return [
        UnitChoice(branch.unit.id.hex, branch.unit.name, branch.depth)
        for branch in org.tree(session)
        if visit.may("camera.manage", branch.unit.id)
    ]


def form_of(camera: Camera) -> CameraForm:
    """Return the form of a camera as it is stored. User and password are not in it."""
    texts = {
        "name": camera.name,
        "unit": camera.unit_id.hex,
        "kind": camera.kind,
        "enabled": "yes" if camera.enabled else "",
        "url": camera.url,
        "sub_url": camera.sub_url,
        "transport": camera.transport,
        "tls_fingerprint": camera.tls_fingerprint,
        "latitude": "" if camera.latitude is None else str(camera.latitude),
        "longitude": "" if camera.longitude is None else str(camera.longitude),
        "min_days": "" if camera.min_days is None else str(camera.min_days),
        "max_days": "" if camera.max_days is None else str(camera.max_days),
        "version": str(camera.version),
        **{name: written(getattr(camera, name)) for name in NAMES},
    }
    return CameraForm(texts)


def read_address(reader: FormReader) -> tuple[StreamAddress, schemas.Transport, str]:
    """Return address with credentials, transport and pinned certificate; the reader has noted what is wrong."""
    address = reader.address()
    if not address.url and "url" not in reader.form.problems:
        reader.note("url", Invalid(N_("Give the address of the camera's stream.")))
    credentials = reader.credentials(address.credentials)
    return StreamAddress(address.url, credentials, address.whole), *_travels(reader, address.url)


def read_new(reader: FormReader, choices: list[UnitChoice], checked: StreamAddress | None) -> NewCamera | None:
    """Return the camera that a form describes; None when something is wrong, which the reader has noted.

    `checked`: the address that was checked before, with what the browser does not have any more: its password.
    """
    known = checked.credentials if checked is not None and reader.form.get("url") == checked.url else None
    address = checked if checked is not None and reader.text("url") == checked.url else reader.address()
    if not address.url and "url" not in reader.form.problems:
        reader.note("url", Invalid(N_("Give the address of the camera's stream.")))
    sub = reader.address("sub_url")
    credentials = reader.credentials(address.credentials or known)
    name = reader.read("name", lambda: schemas.camera_name(reader.text("name")), "")
    unit_id = reader.unit(choices)
    kind = reader.read("kind", lambda: schemas.camera_kind(reader.text("kind")), "")
    transport, pin = _travels(reader, address.url)
    record = reader.record()
    if not reader.sound or unit_id is None:
        return None
    return NewCamera(
        name=name,
        address=StreamAddress(address.url, credentials, address.whole),
        unit_id=unit_id,
        kind=kind,
        sub_address=sub if sub.url else None,
        transport=transport,
        tls_fingerprint=pin,
        record=Record(**record),  # type: ignore[arg-type]
    )


def read_changes(
    reader: FormReader, camera: Camera, choices: list[UnitChoice], known: Callable[[], Credentials | None]
) -> CameraChanges | None:
    """Return what a form changes of a camera; None when something is wrong, which the reader has noted.

    `known` opens the stored credentials; it is called only where a part of them is to be kept.
    """
    # What the form shows, with stars in it or not, is the stored address: its password stays.
    unchanged = reader.text("url") == camera.url
    sub_unchanged = reader.text("sub_url") == camera.sub_url
    address = StreamAddress(camera.url) if unchanged else reader.address()
    sub = StreamAddress(camera.sub_url) if sub_unchanged else reader.address("sub_url")
    if not address.url and "url" not in reader.form.problems:
        reader.note("url", Invalid(N_("Give the address of the camera's stream.")))
    forget = bool(reader.text("forget_credentials"))
    given = None
    if (reader.text("user") or reader.has_password) and not forget:
        complete = reader.text("user") and reader.has_password
        elsewhere = host_of(address.url) != host_of(camera.url)  # where what is stored is not sent unasked
        given = reader.credentials(None if complete else address.credentials or (None if elsewhere else known()))
    transport, pin = _travels(reader, address.url)
    least, most = reader.days("min_days"), reader.days("max_days")
    reader.read("max_days", lambda: schemas.check_days(least, most), None)
    position = reader.position()
    version = reader.text("version")
    changes = CameraChanges(
        name=reader.read("name", lambda: schemas.camera_name(reader.text("name")), ""),
        unit_id=reader.unit(choices),
        kind=reader.read("kind", lambda: schemas.camera_kind(reader.text("kind")), ""),
        address=None if unchanged else address,
        sub_address=None if sub_unchanged else sub,
        credentials=given,
        forget_credentials=forget,
        position=position,
        forget_position=position is None,
        enabled=bool(reader.text("enabled")),
        transport=transport,
        tls_fingerprint=pin,
        days={"min_days": least, "max_days": most},
        record=reader.record(),
        version=int(version) if version.isdecimal() and len(version) < 10 else 0,
    )
    return changes if reader.sound else None


def _travels(reader: FormReader, url: str) -> tuple[schemas.Transport, str]:
    transport: schemas.Transport = "tcp"
    transport = reader.read("transport", lambda: schemas.camera_transport(reader.text("transport") or "tcp"), transport)
    pin = reader.read("tls_fingerprint", lambda: schemas.tls_pin(reader.text("tls_fingerprint")), "")
    if url:
        reader.read("transport", lambda: schemas.check_transport(transport, url, pin), None)
    return transport, pin
