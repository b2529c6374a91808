"""The thin shell: one request and its answer over a connection of its own, bounded in time and size."""

from __future__ import annotations

import asyncio
import contextlib
import ssl

import httptools

from vonggac.cameras.onvif.errors import OnvifError, Reason
from vonggac.cameras.onvif.pull_point import HttpRequest, HttpResponse
from vonggac.cameras.onvif.soap import MAX_BYTES

MOST_BYTES = MAX_BYTES + (64 << 10)
"""Of an answer with its headers and the lengths of its chunks."""
_READ = 16 << 10


async def exchange(request: HttpRequest) -> HttpResponse:
    """Send a request and return its answer; OnvifError when there is none in time, or it is none."""
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(request.timeout_s):
            secure = ssl.create_default_context() if request.secure else None
            reader, writer = await asyncio.open_connection(request.host, request.port, ssl=secure)
            writer.write(request.head + request.body)
            await writer.drain()
            return await _read(reader)
    except TimeoutError:
        raise OnvifError(Reason.TIMED_OUT, f"The camera does not answer within {request.timeout_s:.0f} s.") from None
    except ssl.SSLCertVerificationError as error:
        words = f"The camera's certificate is not trusted: {error.verify_message}."
        raise OnvifError(Reason.REFUSED, words) from None
    except (OSError, UnicodeError) as error:
        words = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise OnvifError(Reason.REFUSED, f"The camera cannot be reached: {words}.") from None
    finally:
        if writer is not None:
            with contextlib.suppress(OSError):
                writer.close()


async def _read(reader: asyncio.StreamReader) -> HttpResponse:
    answer, taken = Answer(), 0
    while not answer.complete:
        data = await reader.read(_READ)
        taken += len(data)
        if taken > MOST_BYTES:
            raise OnvifError(Reason.PROTOCOL, "The camera's answer is too long.")
        answer.take(data)
    return answer.response()


class Answer:
    """An HTTP answer as it comes in, without I/O."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._challenges: list[str] = []
        self._body = bytearray()
        self._headers_done = self._length_known = False
        self._status = 0
        self.complete = False

    def take(self, data: bytes) -> None:
        """Take what was read; nothing is the end of the connection. OnvifError when it is no HTTP, or torn."""
        if not data:
            # Without a length the end of the connection is the end of the answer (RFC 9112 §6.3).
            if not self._headers_done or self._length_known:
                raise OnvifError(Reason.PROTOCOL, "The camera closed the connection in the middle of its answer.")
            self.complete = True
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):  # the second one is no kind of the first
            if not self.complete:
                raise OnvifError(Reason.PROTOCOL, "The camera's answer is no HTTP.") from None

    def response(self) -> HttpResponse:
        """Return the complete answer."""
        return HttpResponse(self._status, self._challenges, bytes(self._body))

    # Called by the parser, also for what a camera sends behind the end of its answer.

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.complete:
            return
        lower = name.lower()
        if lower == b"www-authenticate" and len(self._challenges) < 8:
            self._challenges.append(value.decode("latin-1"))
        elif lower in (b"content-length", b"transfer-encoding"):
            self._length_known = True

    def on_headers_complete(self) -> None:
        if self.complete:
            return
        self._status = self._parser.get_status_code()
        self._headers_done = self._status >= 200

    def on_body(self, data: bytes) -> None:
        if not self.complete:
            self._body += data

    def on_message_complete(self) -> None:
        self.complete = self.complete or self._headers_done
