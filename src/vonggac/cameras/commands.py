"""`vonggac camera`: the registry of cameras on the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.cameras import csv_import, service
from vonggac.cameras.address import Credentials, StreamAddress, check_credentials, onvif_address, split_address
from vonggac.cameras.models import KINDS, Camera
from vonggac.cameras.record import NAMES, read_record
from vonggac.cameras.record_commands import changed_fields, export, record_options
from vonggac.cameras.schemas import (
    MOST_DAYS,
    TRANSPORTS,
    CameraChanges,
    Transport,
    camera_kind,
    camera_name,
    camera_position,
    new_camera,
    tls_pin,
)
from vonggac.core.clock import microseconds, span_in_words, utc_now
from vonggac.core.commands import LateGroup, data_option, emit, json_option
from vonggac.core.datafolder import DataFolder
from vonggac.core.errors import Invalid, VonggacError
from vonggac.core.secrets import SecretBox
from vonggac.org import service as org
from vonggac.org.csv_table import BadRows
from vonggac.org.models import Unit

_PASSWORD_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_STALE_US = 60_000_000
"""The recorder says every few seconds what each camera does; what is older is no longer true."""
_CLOCK_IS_RIGHT_US = 2_000_000
"""A sender report takes a moment to arrive and to be read: less than this says nothing."""
_STALE = {"state": "unknown", "detail": "No recorder is running: start it with `vonggac up`."}
_KIND = click.Choice(KINDS, case_sensitive=False)
_DAYS = click.IntRange(0, MOST_DAYS)
_FIELD_WORDS = {
    "secret": "password",
    "min_days": "minimum days",
    "max_days": "maximum days",
    **{name: name.replace("_", " ") for name in NAMES},
}


@click.group(cls=LateGroup)
def camera() -> None:
    """The cameras of the centre.

    A camera is named by its number (12), by its name, or by any part of its name that fits no other ("cho lien nghia";
    accents may be left out). User and password of a camera are stored encrypted and never shown again.
    """


@camera.command("add")
@click.argument("name")
@click.argument("url")
@data_option
@json_option
@click.option("--unit", metavar="UNIT", default="", help="Unit it belongs to, by code or path.  [default: the root]")
@click.option("--kind", type=_KIND, default="overview", show_default=True, help="What it is for.")
@click.option("--sub-url", default="", help="Address of its small stream, if it has one.")
@click.option("--onvif-url", default="", help="Address of its ONVIF service, for the motion it sees: http://HOST.")
@click.option(
    "--transport", type=click.Choice(TRANSPORTS), default="tcp", show_default=True, help="How its pictures travel."
)
@click.option(
    "--tls-fingerprint", default="", metavar="SHA256", help="The one certificate an rtsps:// camera may show."
)
@click.option("--latitude", type=float, help="Degrees north (WGS 84), such as 11.735.")
@click.option("--longitude", type=float, help="Degrees east (WGS 84), such as 108.373.")
@click.option("--min-days", type=_DAYS, help="Keep its recordings so long at least; 0: no minimum.  [default: setting]")
@click.option("--max-days", type=_DAYS, help="Delete them after so long; 0: no maximum.  [default: setting]")
@click.option("--user", default="", help="User name, when it is not in URL.")
@click.option("--password-file", type=_PASSWORD_FILE, metavar="FILE", help="File whose first line is the password.")
@record_options
def add(
    data: Path,
    as_json: bool,
    name: str,
    url: str,
    unit: str,
    kind: str,
    sub_url: str,
    onvif_url: str,
    transport: Transport,
    tls_fingerprint: str,
    latitude: float | None,
    longitude: float | None,
    min_days: int | None,
    max_days: int | None,
    user: str,
    password_file: Path | None,
    **record: str | None,
) -> None:
    """Add the camera NAME at the address URL (rtsp:// or rtsps://); it is recorded from now on.

    User and password may stand in URL (write @ : / ? # in them as %40 %3A %2F %3F %23). A password given by
    --password-file is not seen in the list of processes and not kept in the shell's history. To try an address first:
    vonggac camera check URL

    Pictures travel inside the RTSP connection (tcp), or beside it (udp) where a camera can only do that. The
    certificate of an rtsps:// camera must be issued by somebody this machine trusts, or be pinned by its fingerprint.

    \b
    Examples:
      vonggac camera add "Chợ Liên Nghĩa" rtsp://192.0.2.10/stream1 --user admin --password-file password.txt
      vonggac camera add "QL20, đầu Bắc" "rtsp://admin:secret@192.0.2.11:554/live?ch=1" --kind plate
    """
    folder = DataFolder.open(data)
    box = folder.secret_box()
    with folder.database().write() as session:
        new = new_camera(
            name=name,
            url=url,
            unit_id=org.find_unit(session, unit).id,
            kind=kind,
            sub_url=sub_url,
            onvif_url=onvif_url,
            latitude=latitude,
            longitude=longitude,
            transport=transport,
            tls_fingerprint=tls_fingerprint,
            min_days=min_days,
            max_days=max_days,
            record=read_record({name: text or "" for name, text in record.items()}),
        )
        given = _given(user, password_file, new.address.credentials)
        added = service.add_camera(session, box, replace(new, address=replace(new.address, credentials=given)))
        shown = _detail(session, added, box)
    if as_json:
        emit(shown)
    else:
        click.echo(f"Added camera {added.number}, {added.name}.")


@camera.command("list")
@data_option
@json_option
@click.option("--unit", metavar="UNIT", default="", help="Only this unit and what is below it.")
@click.option("--kind", type=_KIND, default=None, help="Only cameras of this kind.")
@click.option("--search", metavar="WORDS", default="", help="Only names with these words; accents may be left out.")
@click.option("--all", "removed", is_flag=True, help="Also removed cameras.")
def list_all(data: Path, as_json: bool, unit: str, kind: str | None, search: str, removed: bool) -> None:
    """List the cameras in the order of their names, with what each is doing now.

    \b
    Examples:
      vonggac camera list
      vonggac camera list --unit duc-trong --kind plate
      vonggac camera list --search "cho lien"
    """
    with DataFolder.open(data).database().read() as session:
        top = org.find_unit(session, unit) if unit else None
        cameras = service.list_cameras(session, unit=top, kind=kind or "", search=search, removed=removed)
        units = {row.id: row for row in session.scalars(sa.select(Unit))}
        states = _states(session)
    rows = [_row(row, units, states.get(row.id.bytes, {})) for row in cameras]
    if as_json:
        emit(rows)
        return
    width = max((len(row["name"]) for row in rows), default=0)
    places = max((len(row["unit"]) for row in rows), default=0)
    for row in rows:
        line = f"{row['number']:>5}  {row['name']:<{width}}  {row['unit']:<{places}}  {row['kind']:<8}  {row['state']}"
        click.echo(line.rstrip())
    if not rows:
        click.echo("No camera fits." if unit or kind or search else "There is no camera yet: vonggac camera add --help")


@camera.command("show")
@click.argument("camera_named", metavar="CAMERA")
@data_option
@json_option
def show(data: Path, as_json: bool, camera_named: str) -> None:
    """Show everything about one camera except its password.

    \b
    Examples:
      vonggac camera show 12
      vonggac camera show "cho lien nghia"
    """
    folder = DataFolder.open(data)
    with folder.database().read() as session:
        found = service.find_camera(session, camera_named, removed=True)
        detail = _detail(session, found, folder.secret_box())
    if as_json:
        emit(detail)
        return
    for label, value in detail.items():
        if value not in ("", None):
            click.echo(f"{label.replace('_', ' '):<12}  {_plain(value)}")


@camera.command("edit")
@click.argument("camera_named", metavar="CAMERA")
@data_option
@json_option
@click.option("--name", help="A new name. Its number and its folder of recordings stay.")
@click.option("--unit", metavar="UNIT", help="Another unit, by code or path.")
@click.option("--kind", type=_KIND, default=None, help="What it is for.")
@click.option("--url", help="A new address; without user and password in it the stored ones are kept.")
@click.option("--sub-url", help='Address of its small stream; "" takes it away.')
@click.option("--onvif-url", help='Address of its ONVIF service; "" takes it away.')
@click.option("--transport", type=click.Choice(TRANSPORTS), default=None, help="How its pictures travel.")
@click.option("--tls-fingerprint", metavar="SHA256", help='The certificate it must show; "" takes the pin away.')
@click.option("--latitude", type=float, help="Degrees north (WGS 84).")
@click.option("--longitude", type=float, help="Degrees east (WGS 84).")
@click.option("--no-position", is_flag=True, help="Forget where it stands.")
@click.option("--min-days", metavar="DAYS", help='Keep its recordings so long at least; 0: no minimum; "default".')
@click.option("--max-days", metavar="DAYS", help='Delete them after so long; 0: no maximum; "default": the centre\'s.')
@click.option("--user", default="", help="A new user name.")
@click.option("--password-file", type=_PASSWORD_FILE, metavar="FILE", help="File whose first line is the new password.")
@click.option("--no-password", is_flag=True, help="Forget user and password.")
@click.option("--enable/--disable", "enabled", default=None, help="Record it, or leave it in peace for a while.")
@record_options
def edit(
    data: Path,
    as_json: bool,
    camera_named: str,
    name: str | None,
    unit: str | None,
    kind: str | None,
    url: str | None,
    sub_url: str | None,
    onvif_url: str | None,
    transport: Transport | None,
    tls_fingerprint: str | None,
    latitude: float | None,
    longitude: float | None,
    no_position: bool,
    min_days: str | None,
    max_days: str | None,
    user: str,
    password_file: Path | None,
    no_password: bool,
    enabled: bool | None,
    **record: str | None,
) -> None:
    """Change a camera. What is not given stays as it is; "" empties a field of its record.

    \b
    Examples:
      vonggac camera edit 12 --name "Chợ Liên Nghĩa, cổng Nam" --unit lien-nghia
      vonggac camera edit 12 --url rtsp://192.0.2.20/stream1
      vonggac camera edit 12 --user admin --password-file pw.txt
      vonggac camera edit 12 --transport udp
      vonggac camera edit 12 --disable
      vonggac camera edit 12 --min-days 60 --max-days 90
      vonggac camera edit 12 --contract 05/2026/HĐ --supplier "Công ty lắp đặt" --guarantee-until 31/05/2028
    """
    if no_password and (user or password_file):
        raise click.UsageError("Give --no-password, or --user and --password-file, not both.")
    if no_position and (latitude is not None or longitude is not None):
        raise click.UsageError("Give --no-position, or --latitude and --longitude, not both.")
    folder = DataFolder.open(data)
    box = folder.secret_box()
    with folder.database().write() as session:
        found = service.find_camera(session, camera_named)
        given = None
        if password_file is not None or user:
            complete = password_file is not None and user
            given = _given(user, password_file, None if complete else service.credentials(found, box))
        changes = CameraChanges(
            name=camera_name(name) if name is not None else None,
            unit_id=org.find_unit(session, unit).id if unit is not None else None,
            kind=camera_kind(kind) if kind is not None else None,
            address=split_address(url) if url is not None else None,
            sub_address=_optional_address(sub_url, split_address),
            onvif_address=_optional_address(onvif_url, onvif_address),
            credentials=given,
            forget_credentials=no_password,
            position=camera_position(latitude, longitude),
            forget_position=no_position,
            enabled=enabled,
            transport=transport,
            tls_fingerprint=tls_pin(tls_fingerprint) if tls_fingerprint is not None else None,
            days={
                name: _days(option, written)
                for name, option, written in (
                    ("min_days", "--min-days", min_days),
                    ("max_days", "--max-days", max_days),
                )
                if written is not None
            },
            record=changed_fields(record),
        )
        changed = service.edit_camera(session, box, found, changes)
        detail = _detail(session, found, box)
    if as_json:
        emit({**detail, "changed": changed})
    elif changed:
        words = sorted({_FIELD_WORDS.get(field, field.partition("_")[0]) for field in changed})
        click.echo(f"Changed camera {found.number}, {found.name}: {', '.join(words)}.")
    else:
        click.echo(f"Camera {found.number}, {found.name}: nothing to change.")


@camera.command("remove")
@click.argument("camera_named", metavar="CAMERA")
@data_option
@json_option
def remove(data: Path, as_json: bool, camera_named: str) -> None:
    """Stop recording a camera and take it out of the list; its password is forgotten.

    Its recordings stay until their time is over and are found by its number, which no other camera gets. To stop for a
    while only: vonggac camera edit CAMERA --disable

    \b
    Example:
      vonggac camera remove 12
    """
    with DataFolder.open(data).database().write() as session:
        found = service.find_camera(session, camera_named)
        service.remove_camera(session, found)
    if as_json:
        emit({"number": found.number, "name": found.name, "removed_at": found.removed_at})
    else:
        click.echo(f"Removed camera {found.number}, {found.name}. Its recordings stay until their time is over.")


@camera.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@data_option
@json_option
def import_file(data: Path, as_json: bool, file: Path) -> None:
    """Add the cameras of a CSV file: all rows, or none when one is wrong.

    The first line names the columns, in any order: name and url; where wanted unit, kind (overview, ptz, plate),
    latitude, longitude, sub_url, user, password, transport (tcp, udp), tls_fingerprint, onvif_url, and of the record
    place, owner, supplier, contract, guarantee_until, certificate, certificate_until, installed_on (days as
    31/05/2027 or 2027-05-31), remarks. UTF-8. An empty unit is the root, an empty kind overview, an empty transport
    tcp. Within a unit a name, and in the whole centre an address, may be given once. A column number, as
    `vonggac camera export` writes it, is passed over.

    \b
    Example:
      name,url,unit,kind,latitude,longitude
      "Chợ Liên Nghĩa, cổng Bắc",rtsp://admin:secret@192.0.2.10/stream1,lien-nghia,overview,11.735,108.373
    """
    folder = DataFolder.open(data)
    box = folder.secret_box()
    lines = max(file.read_bytes().count(b"\n"), 1)
    hidden = as_json or not sys.stderr.isatty()
    try:
        with (
            click.progressbar(length=lines, label="Importing", file=sys.stderr, hidden=hidden) as bar,
            folder.database().write() as session,
        ):
            cameras = csv_import.import_cameras(session, box, file, bar.update)
    except BadRows as bad:
        if not as_json:
            raise
        emit({"added": 0, "faults": [{"line": line, "reason": reason} for line, reason in bad.faults]})
        raise SystemExit(1) from None
    numbers = [added.number for added in cameras]
    if as_json:
        emit({"added": len(numbers), "numbers": numbers, "faults": []})
    elif numbers:
        click.echo(f"{len(numbers)} cameras added, numbers {numbers[0]} to {numbers[-1]}.")
    else:
        click.echo(f"{file} holds no camera.")


camera.add_command(export)


def _given(user: str, password_file: Path | None, known: Credentials | None) -> Credentials | None:
    """Return the credentials of the options, whose user may stand in the address; None when there are none."""
    from vonggac.org.passwords import read_password

    if not user and password_file is None:
        return known
    name = user or (known.user if known is not None else "")
    if not name:
        raise Invalid("A password needs a user: give --user too.")
    if password_file is not None:
        return check_credentials(name, read_password(password_file))
    return check_credentials(name, known.password if known is not None else "")


def _days(option: str, written: str) -> int | None:
    if written.strip().lower() == "default":
        return None
    if not written.strip().isdecimal():
        raise click.BadParameter(f'{written!r} is no number of days, nor "default".', param_hint=option)
    return int(written)


def _optional_address(written: str | None, take: Callable[[str], StreamAddress]) -> StreamAddress | None:
    if written is None:
        return None
    return take(written) if written.strip() else StreamAddress("")


def _states(session: Session) -> dict[bytes, dict[str, Any]]:
    """Return what the recorder says of each camera, by the bytes of its key."""
    # The table is the video package's, which stands above this one: read by its name, not through its model.
    columns = ("state", "reason", "detail", "updated_us", "clock_offset_us", "audio")
    status = sa.table("camera_status", sa.column("camera_id", Camera.id.type), *map(sa.column, columns))
    oldest = microseconds(utc_now()) - _STALE_US
    return {
        row.camera_id.bytes: dict(row._mapping) if row.updated_us >= oldest else _STALE
        for row in session.execute(sa.select(status))
    }


def _row(row: Camera, units: dict[Any, Unit], status: dict[str, Any]) -> dict[str, Any]:
    state = "removed" if row.removed_at is not None else "disabled" if not row.enabled else status.get("state", "")
    reason = status.get("reason", "") if state == "away" else ""
    return {
        "id": row.id,
        "number": row.number,
        "name": row.name,
        "unit": units[row.unit_id].code,
        "kind": row.kind,
        "transport": row.transport,
        "state": f"{state}: {reason}" if reason else state,
        "latitude": row.latitude,
        "longitude": row.longitude,
    }


def _detail(session: Session, found: Camera, box: SecretBox) -> dict[str, Any]:
    unit = session.get_one(Unit, found.unit_id)
    status = _states(session).get(found.id.bytes, {})
    return {
        **_row(found, {unit.id: unit}, status),
        "unit": "/".join(org.path_codes(session, unit)[1:]) or unit.code,
        "detail": status.get("detail", ""),
        "clock": _clock(status.get("clock_offset_us")),
        "audio": _audio(unit.id in org.recorded_with_audio(session), status.get("audio", "")),
        "url": found.url,
        "sub_url": found.sub_url,
        "onvif_url": found.onvif_url,
        "tls_fingerprint": found.tls_fingerprint,
        "credentials": _known(found, box),
        "folder": found.folder,
        "enabled": found.enabled,
        "min_days": found.min_days,
        "max_days": found.max_days,
        **{name: getattr(found, name) for name in NAMES},
        "added_at": found.created_at,
        "removed_at": found.removed_at,
    }


def _clock(offset_us: int | None) -> str:
    """Return what the camera's own clock shows, against this machine's; empty where it says nothing of it."""
    if offset_us is None:
        return ""
    side = "ahead" if offset_us > 0 else "behind"
    return "right" if abs(offset_us) < _CLOCK_IS_RIGHT_US else f"{span_in_words(offset_us)} {side}"


def _audio(wanted: bool, seen: str) -> str:
    """Return in words whether sound is recorded, and what its recorder has seen of it."""
    setting = "switched on for its unit" if wanted else "not recorded (unit setting)"
    return f"{setting}; {seen}" if seen else setting


def _known(found: Camera, box: SecretBox) -> str:
    """Return in words which credentials are stored, never what they are."""
    if found.secret is None:
        return "none"
    try:
        known = service.credentials(found, box)
    except VonggacError:
        return "set, but this data folder's key does not open them: enter them again"
    if known is None:
        return "password in the address set"
    return "user set, password set" if known.password else "user set, no password"


def _plain(value: Any) -> str:
    return "yes" if value is True else "no" if value is False else str(value)
