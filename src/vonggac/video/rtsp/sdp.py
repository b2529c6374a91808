"""What a camera says of its streams: SDP (RFC 4566) as RTSP uses it (RFC 2326 appendix C), read tolerantly."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from urllib.parse import urljoin

from vonggac.video.rtsp.errors import RtspError, quoted
from vonggac.video.rtsp.message import Headers

MAX_MEDIA = 32
"""Streams of one description; more are not looked at."""
MAX_FPS = 1000.0


@dataclass(slots=True)
class Media:
    """One stream of a description."""

    kind: str
    """"video", "audio", "application", … in lower case."""
    protocol: str
    payload_type: int
    encoding: str = ""
    """"H264", "H265", "PCMA", …, in upper case; empty where the camera does not say."""
    clock_rate: int = 0
    control: str | None = None
    """The control address as written, relative or absolute."""
    format: dict[str, str] = field(default_factory=dict)
    """Parameters of the fmtp line, names in lower case."""
    framerate: float | None = None

    @property
    def name(self) -> str:
        """What a person calls it: "video H264", "audio PCMA"."""
        return f"{quoted(self.kind, 16)} {quoted(self.encoding, 24)}".strip()

    @property
    def parameter_sets(self) -> tuple[bytes, ...]:
        """The sets of H.264 (RFC 6184 §8.1) or H.265 (RFC 7798 §7.1), those that can be read."""
        texts = [text for name in _PARAMETER_SETS for text in self.format.get(name, "").split(",")[:16]]
        return tuple(one for text in texts if (one := _unbase64(text)))


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """A whole description."""

    control: str | None
    media: tuple[Media, ...]


_PARAMETER_SETS = ("sprop-parameter-sets", "sprop-vps", "sprop-sps", "sprop-pps")
# Payload types that need no rtpmap (RFC 3551 §6), as far as cameras use them.
_STATIC = {0: ("PCMU", 8000), 8: ("PCMA", 8000), 9: ("G722", 8000), 26: ("JPEG", 90000), 32: ("MPV", 90000)}


def parse(body: bytes) -> SessionDescription:
    """Read a description; lines that make no sense are passed over. RtspError("protocol") where nothing is left."""
    control: str | None = None
    media: list[Media] = []
    seen_any = False
    for line in body.decode("utf-8", "replace").splitlines():
        kind, equals, value = line.strip().partition("=")
        if not equals or len(kind.strip()) != 1:
            continue
        seen_any = True
        kind, value = kind.strip().lower(), value.strip()
        if kind == "m":
            if len(media) == MAX_MEDIA:
                break
            media.append(_media(value))
        elif kind == "a" and media:
            _media_attribute(media[-1], value)
        elif kind == "a" and value.lower().startswith("control:"):
            control = value[8:].strip()
    if not seen_any:
        raise RtspError("protocol", "The camera describes its streams with nothing that can be read (no SDP).")
    return SessionDescription(control, tuple(media))


def base_url(request_url: str, headers: Headers) -> str:
    """Return what relative control addresses are relative to (RFC 2326 §C.1.1)."""
    for name in ("Content-Base", "Content-Location"):
        value = (headers.get(name) or "").strip().strip('<>"')
        if value.lower().startswith("rtsp"):
            return value
    return request_url


def control_url(base: str, control: str | None) -> str:
    """Return the address to use for a control attribute.

    Relative ones are appended after a slash, also behind a query: so do live555 and FFmpeg, which camera makers
    test with, where RFC 3986 would replace the last part of the path. RtspError("protocol") for a base that is none.
    """
    if control in (None, "", "*"):
        return base
    assert control is not None
    control = control.replace(" ", "%20")
    if "://" in control:
        return control
    if control.startswith("/"):
        try:
            # urljoin knows no rtsp; with "rtsps" it becomes "https" and back.
            return urljoin("http" + base[4:], control).replace("http", "rtsp", 1)
        except ValueError:  # brackets without a partner in its host
            raise RtspError("protocol", "The camera gives an address of its own (Content-Base) that is none.") from None
    return f"{base.rstrip('/')}/{control}"


def _media(value: str) -> Media:
    words = value.split()
    kind = words[0].lower() if words else ""
    protocol = words[2].upper() if len(words) > 2 else ""
    payload_type = int(words[3]) if len(words) > 3 and re.fullmatch(r"[0-9]{1,3}", words[3]) else -1
    encoding, clock_rate = _STATIC.get(payload_type, ("", 0))
    return Media(kind, protocol, payload_type if payload_type < 128 else -1, encoding, clock_rate)


def _media_attribute(media: Media, value: str) -> None:
    name, _, rest = value.partition(":")
    name, rest = name.strip().lower(), rest.strip()
    if name == "control":
        media.control = rest
    elif name == "rtpmap":
        match = re.match(r"([0-9]{1,3})\s+([^/\s]+)(?:/\s*([0-9]{1,9}))?", rest)
        # The first rtpmap counts, and one of another payload type only where the m= line names none.
        if match and (int(match[1]) == media.payload_type or media.payload_type < 0):
            media.payload_type = int(match[1]) & 127
            media.encoding, media.clock_rate = match[2].upper(), int(match[3] or 0)
    elif name == "fmtp":
        for part in rest.partition(" ")[2].split(";"):
            key, _, text = part.partition("=")
            media.format.setdefault(key.strip().lower(), text.strip())
    elif name == "framerate":
        media.framerate = _framerate(rest)


def _framerate(text: str) -> float | None:
    match = re.match(r"([0-9]{1,6}(?:\.[0-9]{1,9})?)", text)
    value = float(match[1]) if match else 0.0
    return value if 0 < value <= MAX_FPS else None


def _unbase64(text: str) -> bytes:
    text = text.strip().rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""
