"""RTSP requests as a camera reads them, and its replies (RFC 2326). Bytes in, values out: no socket here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from vonggac.core.errors import VonggacError

HEAD_LIMIT = 16 << 10
BODY_LIMIT = 16 << 10

REASONS: Mapping[int, str] = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    453: "Not Enough Bandwidth",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    461: "Unsupported Transport",
    501: "Not Implemented",
    503: "Service Unavailable",
}


class BadRequest(VonggacError):
    """Bytes that are no RTSP: the connection is of no further use."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Header names are in small letters; of a repeated header the last one counts."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The path of the address without the user, the host, the query and a slash at its end; "*" as "/"."""
        try:
            path = unquote(urlsplit(self.url).path)
        except ValueError:
            return "/"
        return "/" + path.strip("/*")


@dataclass(frozen=True, slots=True)
class InterleavedData:
    """What a viewer sends between requests: reports on what it receives. Only that it came matters here."""

    channel: int
    size: int


def respond(request: Request | None, status: int, headers: Mapping[str, str], body: str = "") -> bytes:
    """Return a response with the request's own sequence number."""
    lines = [f"RTSP/1.0 {status} {REASONS[status]}"]
    if request is not None and "cseq" in request.headers:
        lines.append(f"CSeq: {request.headers['cseq']}")
    lines.append("Server: VongGac-Sim")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    content = body.encode()
    if content:
        lines.append(f"Content-Length: {len(content)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content


class RequestReader:
    """Cuts what a viewer sends into requests and interleaved data. Keeps at most one incomplete message."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def feed(self, data: bytes) -> Iterator[Request | InterleavedData]:
        """Yield what `data` completes. Raises BadRequest for anything that RTSP does not allow."""
        self._kept += data
        while self._kept:
            if self._kept[0] == 0x24:
                if len(self._kept) < 4:
                    return
                size = int.from_bytes(self._kept[2:4], "big")
                if len(self._kept) < 4 + size:
                    return
                channel = self._kept[1]
                del self._kept[: 4 + size]
                yield InterleavedData(channel, size)
                continue
            if self._kept[0] in b"\r\n":  # an empty line before a request is to be ignored (RFC 2616 §4.1)
                del self._kept[0]
                continue
            request = self._request()
            if request is None:
                return
            yield request

    def _request(self) -> Request | None:
        end = self._kept.find(b"\r\n\r\n")
        if end < 0:
            if len(self._kept) > HEAD_LIMIT:
                raise BadRequest("The request does not end.")
            return None
        if end > HEAD_LIMIT:
            raise BadRequest("The request's header is too long.")
        first, *rest = self._kept[:end].decode("utf-8", "replace").split("\r\n")
        words = first.split()
        if len(words) != 3 or not words[2].startswith("RTSP/"):
            raise BadRequest("The request is no RTSP.")
        headers: dict[str, str] = {}
        for line in rest:
            name, colon, value = line.partition(":")
            if colon:
                headers[name.strip().lower()] = value.strip()
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or len(length) > 6 or int(length) > BODY_LIMIT:
            raise BadRequest("The request's body is too long.")
        total = end + 4 + int(length)
        if len(self._kept) < total:
            return None
        del self._kept[:total]
        return Request(words[0].upper(), words[1], headers)
