"""RTSP messages (RFC 2326) as bytes in and values out: tolerant of what cameras send, bounded in size."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from vonggac.video.rtsp.errors import RtspError, quoted

MAX_MESSAGE = 65_536
"""Bytes of one message, head and body together. The longest reply seen of a camera has about 4 KiB."""
MAX_HEAD = 16_384
MAX_HEADERS = 100

_FIRST_LETTERS = re.compile(rb"[A-Za-z][A-Za-z_]{0,3}")
_STATUS_LINE = re.compile(r"RTSP/\d\.\d\s+(\d{3})\s*(.*)", re.IGNORECASE)
_REQUEST_LINE = re.compile(r"([A-Z_]{3,20})\s+(\S+)\s+RTSP/\d\.\d\s*", re.IGNORECASE)


class Headers:
    """The header fields of one message: names in any case, several of one name kept apart."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields = [(name.lower(), value) for name, value in fields]

    def get(self, name: str) -> str | None:
        """Return the first value of this name."""
        return next((value for field, value in self._fields if field == name.lower()), None)

    def get_all(self, name: str) -> list[str]:
        """Return every value of this name, in order."""
        return [value for field, value in self._fields if field == name.lower()]


@dataclass(frozen=True, slots=True)
class Request:
    """A request, ours or the camera's."""

    method: str
    url: str
    headers: Headers
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """A reply."""

    status: int
    phrase: str
    headers: Headers
    body: bytes = b""


def parse(view: memoryview, start: int, end: int) -> tuple[Request | Response | None, int]:
    """Read one message from view[start:end]: (message, where the next begins), or (None, start) while it is short.

    Blank lines before a message are skipped. RtspError("protocol") for what is no RTSP or is too large.
    """
    while start < end and view[start] in b"\r\n":
        start += 1
    text = bytes(view[start : min(end, start + MAX_HEAD)])
    if not text:
        return None, start
    if not _FIRST_LETTERS.fullmatch(text[:4]):
        raise RtspError("protocol", "The camera sends bytes that are no RTSP: the stream has lost its step.")
    head_length = _head_length(text)
    if head_length == 0:
        if len(text) == MAX_HEAD:
            raise RtspError("protocol", f"The camera sends a message head of over {MAX_HEAD} bytes.")
        return None, start
    lines = _unfolded(text[:head_length].decode("utf-8", "replace"))
    headers = Headers(_fields(lines[1:]))
    body_length = _body_length(headers)
    if head_length + body_length > MAX_MESSAGE:
        raise RtspError("protocol", f"The camera announces a message of over {MAX_MESSAGE} bytes.")
    body_start = start + head_length
    if body_start + body_length > end:
        return None, start
    body = bytes(view[body_start : body_start + body_length])
    return _message(lines[0], headers, body), body_start + body_length


def build_request(method: str, url: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """Return a request without a body, ready to send."""
    return _build(f"{method} {url} RTSP/1.0", headers)


def build_response(status: int, phrase: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """Return a reply without a body, ready to send."""
    return _build(f"RTSP/1.0 {status} {phrase}", headers)


def _build(first: str, headers: Iterable[tuple[str, str]]) -> bytes:
    lines = [first, *(f"{name}: {value}" for name, value in headers)]
    # A line break inside a value (a realm echoed, say) would let a camera write headers of its own.
    return ("\r\n".join(line.replace("\r", " ").replace("\n", " ") for line in lines) + "\r\n\r\n").encode()


def _head_length(text: bytes) -> int:
    """Bytes up to and with the empty line; 0 while there is none. Bare line feeds are accepted."""
    found = [at + len(mark) for mark in (b"\r\n\r\n", b"\n\n") if (at := text.find(mark)) >= 0]
    return min(found, default=0)


def _unfolded(head: str) -> list[str]:
    lines: list[str] = []
    for line in head.replace("\r\n", "\n").split("\n"):
        if line[:1] in (" ", "\t") and len(lines) > 1:
            lines[-1] += " " + line.strip()
        elif line.strip():
            lines.append(line.strip())
    return lines


def _fields(lines: list[str]) -> list[tuple[str, str]]:
    fields = []
    for line in lines[:MAX_HEADERS]:
        name, colon, value = line.partition(":")
        if colon and name.strip():  # a line without a colon says nothing; the rest of the head is still good
            fields.append((name.strip(), value.strip()))
    return fields


def _body_length(headers: Headers) -> int:
    text = (headers.get("Content-Length") or "0").strip()
    if not (text.isascii() and text.isdecimal()) or len(text) > 9:
        raise RtspError("protocol", f"The camera announces a body of “{quoted(text, 20)}” bytes.")
    return int(text)


def _message(first: str, headers: Headers, body: bytes) -> Request | Response:
    if match := _STATUS_LINE.fullmatch(first):
        return Response(int(match[1]), quoted(match[2]), headers, body)
    if match := _REQUEST_LINE.fullmatch(first):
        return Request(match[1].upper(), match[2], headers, body)
    if first.upper().startswith("HTTP/"):
        raise RtspError("protocol", "A web server answers at this address. Give the camera's RTSP port (mostly 554).")
    raise RtspError("protocol", f"The camera sends “{quoted(first, 40)}” where an RTSP message belongs.")
