"""What a camera may be: input checked before it comes near the database."""

from __future__ import annotations

import math
import re
import uuid
from dataclasses import dataclass, field, replace
from typing import Literal

from vonggac.cameras.address import Credentials, StreamAddress, onvif_address, split_address
from vonggac.cameras.models import KINDS
from vonggac.cameras.record import Record, RecordValue
from vonggac.core import text
from vonggac.core.errors import Invalid
from vonggac.core.i18n import N_

NAME_LENGTH = 200
Transport = Literal["tcp", "udp"]
TRANSPORTS: tuple[Transport, ...] = ("tcp", "udp")
"""How the pictures travel: `tcp` inside the RTSP connection, `udp` beside it."""
_PIN = re.compile(r"(?i)(?:sha-?256[ :=]*(?:fingerprint=)?)?((?:[0-9a-f]{2}[: ]?){31}[0-9a-f]{2})")
MOST_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class NewCamera:
    """A checked camera that is to be added. `repr` shows no password."""

    name: str
    address: StreamAddress
    unit_id: uuid.UUID
    kind: str = "overview"
    sub_address: StreamAddress | None = None
    onvif_address: StreamAddress | None = None
    latitude: float | None = None
    longitude: float | None = None
    enabled: bool = True
    transport: Transport = "tcp"
    tls_fingerprint: str = ""
    min_days: int | None = None
    max_days: int | None = None
    record: Record = field(default_factory=Record)

    def with_credentials(self, credentials: Credentials) -> NewCamera:
        """Return the same camera with user and password given apart from its address."""
        return replace(self, address=replace(self.address, credentials=credentials))


@dataclass(frozen=True, slots=True)
class CameraChanges:
    """What is to be changed of a camera: None leaves a field as it is."""

    name: str | None = None
    unit_id: uuid.UUID | None = None
    kind: str | None = None
    address: StreamAddress | None = None
    """One without credentials keeps the stored ones."""
    sub_address: StreamAddress | None = None
    """One with an empty address takes the sub-stream away."""
    onvif_address: StreamAddress | None = None
    """One with an empty address: the camera is not asked what it sees."""
    credentials: Credentials | None = None
    forget_credentials: bool = False
    position: tuple[float, float] | None = None
    """Latitude and longitude in degrees (WGS 84)."""
    forget_position: bool = False
    enabled: bool | None = None
    transport: Transport | None = None
    tls_fingerprint: str | None = None
    """As `tls_pin` returns it; "" takes the pin away."""
    days: dict[str, int | None] = field(default_factory=dict)
    """`min_days` and `max_days`, those that change; None goes back to the centre's."""
    record: dict[str, RecordValue] = field(default_factory=dict)
    """Fields of the record that change, as `record.field_value` returns them."""
    version: int | None = None
    """The camera's version that whoever changes it has seen; None changes whatever is there."""


def new_camera(
    *,
    name: str,
    url: str,
    unit_id: uuid.UUID,
    kind: str = "",
    sub_url: str = "",
    onvif_url: str = "",
    latitude: str | float | None = None,
    longitude: str | float | None = None,
    transport: str = "",
    tls_fingerprint: str = "",
    min_days: int | None = None,
    max_days: int | None = None,
    record: Record | None = None,
) -> NewCamera:
    """Return a checked camera; Invalid says which field breaks which rule. Empty texts count as not given."""
    position = camera_position(latitude, longitude)
    check_days(min_days, max_days)
    address = split_address(url)
    travels, pin = camera_transport(transport or "tcp"), tls_pin(tls_fingerprint)
    check_transport(travels, address.url, pin)
    sub_address = split_address(sub_url) if sub_url.strip() else None
    check_streams(address.url, sub_address.url if sub_address is not None else "")
    return NewCamera(
        name=camera_name(name),
        address=address,
        unit_id=unit_id,
        kind=camera_kind(kind or "overview"),
        sub_address=sub_address,
        onvif_address=onvif_address(onvif_url) if onvif_url.strip() else None,
        latitude=position[0] if position else None,
        longitude=position[1] if position else None,
        transport=travels,
        tls_fingerprint=pin,
        min_days=min_days,
        max_days=max_days,
        record=record or Record(),
    )


def camera_name(value: str) -> str:
    """Return a name in its normal form."""
    name = text.normalise(value)
    if not name:
        raise Invalid(N_("The name is empty: write what the camera sees, for example Chợ Liên Nghĩa, cổng Bắc."))
    if len(name) > NAME_LENGTH:
        raise Invalid(
            N_("The name is {length} characters long; at most {most} are kept."), length=len(name), most=NAME_LENGTH
        )
    if not name.isprintable():
        raise Invalid(N_("The name holds an unprintable character. Type it anew."))
    if not any(letter.isalpha() for letter in name):
        raise Invalid(N_("The name must hold a letter: digits alone would be taken for a camera's number."))
    return name


def camera_kind(value: str) -> str:
    """Return a kind that exists."""
    kind = value.strip().lower()
    if kind not in KINDS:
        raise Invalid(f"The kind must be one of {', '.join(KINDS)}, not {value.strip()[:40]!r}.")
    return kind


def camera_transport(value: str) -> Transport:
    """Return a transport that exists."""
    for transport in TRANSPORTS:
        if value.strip().lower() == transport:
            return transport
    raise Invalid(f"The transport must be one of {', '.join(TRANSPORTS)}, not {value.strip()[:40]!r}.")


def tls_pin(value: str) -> str:
    """Return a SHA-256 fingerprint as AB:CD:…, "" for none; with or without colons and case, as tools print it."""
    if not value.strip():
        return ""
    match = _PIN.fullmatch(value.strip())
    if match is None:
        raise Invalid(
            N_(
                "A fingerprint is the SHA-256 of the camera's certificate: 64 hexadecimal digits, as "
                "`vonggac camera check rtsps://…` prints them."
            )
        )
    return bytes.fromhex(match[1].replace(":", "").replace(" ", "")).hex(":").upper()


def check_transport(transport: Transport, url: str, tls_fingerprint: str) -> None:
    """Refuse with Invalid what does not go together with the address."""
    secure = url.lower().startswith("rtsps://")
    if secure and transport == "udp":
        raise Invalid(N_("Over UDP the pictures of an rtsps:// camera would travel open. Use tcp, or rtsp://."))
    if tls_fingerprint and not secure:
        raise Invalid(N_("Only an rtsps:// address has a certificate to pin."))


def check_streams(url: str, sub_url: str) -> None:
    """Refuse with Invalid one address for both streams: it would only cost the camera a second session."""
    if url == sub_url:
        raise Invalid("The sub-stream has the same address as the main stream. Give that of the small one, or none.")


def camera_position(latitude: str | float | None, longitude: str | float | None) -> tuple[float, float] | None:
    """Return a position in degrees (WGS 84), None when neither is given."""
    north = _degrees(N_("The latitude must be degrees with a decimal point, such as 11.735, not {written}."), latitude)
    east = _degrees(
        N_("The longitude must be degrees with a decimal point, such as 108.373, not {written}."), longitude
    )
    if north is None and east is None:
        return None
    if north is None or east is None:
        raise Invalid(N_("Give both latitude and longitude, or neither."))
    if abs(north) > 90 and abs(north) <= 180 and abs(east) <= 90:
        raise Invalid(
            N_("The latitude must lie between -90 and 90 degrees, not {degrees}. Are latitude and longitude swapped?"),
            degrees=f"{north:g}",
        )
    if abs(north) > 90:
        raise Invalid(N_("The latitude must lie between -90 and 90 degrees, not {degrees}."), degrees=f"{north:g}")
    if abs(east) > 180:
        raise Invalid(N_("The longitude must lie between -180 and 180 degrees, not {degrees}."), degrees=f"{east:g}")
    return north, east


def check_days(min_days: int | None, max_days: int | None) -> None:
    """Refuse days that cannot be kept; None is the centre's, 0 no limit."""
    for message, days in (
        (N_("The minimum must be between 0 and {most} days, not {days}."), min_days),
        (N_("The maximum must be between 0 and {most} days, not {days}."), max_days),
    ):
        if days is not None and not 0 <= days <= MOST_DAYS:
            raise Invalid(message, most=MOST_DAYS, days=days)
    if min_days and max_days and max_days < min_days:
        raise Invalid(
            N_(
                "Recordings cannot be kept {least} days at least and deleted after {most}: give a maximum of {least} "
                "days or more, or 0 for none."
            ),
            least=min_days,
            most=max_days,
        )


def _degrees(message: str, value: str | float | None) -> float | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        degrees = float(value)
    except ValueError:
        degrees = math.nan
    if not math.isfinite(degrees):
        raise Invalid(message, written=repr(str(value)[:40]))
    return degrees
