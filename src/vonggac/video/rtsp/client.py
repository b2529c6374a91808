"""The connection to a camera: a non-blocking socket under an `RtspSession`, on asyncio or uvloop.

No asyncio transport stands in the media path: it would read ahead of us. The socket is read by us alone, either
whenever the kernel has something (`prompt`, while someone watches) or when the recorder's schedule says so
(`read_now`, which costs least: one call of the kernel for hundreds of packets). One buffer serves all connections of a
process; what is left of an incomplete packet after a read is kept per connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from vonggac.video.rtsp.address import CameraAddress
from vonggac.video.rtsp.errors import RtspError
from vonggac.video.rtsp.message import MAX_MESSAGE
from vonggac.video.rtsp.session import USER_AGENT, RtspSession
from vonggac.video.stream import AccessUnit

STALL_S = 5.0
"""Silence after which a stream counts as stalled."""
HANDSHAKE_TIMEOUT_S = 10.0
TEARDOWN_TIMEOUT_S = 0.5
MIN_BUFFER = 4 * MAX_MESSAGE
"""Bytes that a receive buffer must have at least: a packet of the largest size and room behind it."""
ROUNDS = 8
"""Reads of one connection in a row, before the others have their turn."""
WINDOW_MARGIN = 4
MIN_WINDOW = 128 * 1024
_SO_RCVBUFFORCE = 33  # <asm-generic/socket.h>; needs CAP_NET_ADMIN

Clock = Callable[[], int]

_UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ENETDOWN}


def receive_window(pause_s: float, bits_per_s: float) -> int:
    """Return the bytes a socket must hold for a camera read every `pause_s`: four times what comes meanwhile."""
    return max(MIN_WINDOW, round(WINDOW_MARGIN * pause_s * bits_per_s / 8))


class RtspConnection:
    """A playing camera. Made by `open`; whoever holds it reads it, checks that it lives, and closes it."""

    def __init__(
        self, session: RtspSession, sock: socket.socket, buffer: memoryview, clock: Clock, stall_s: float
    ) -> None:
        self.session = session
        self.window_granted = _granted(sock)
        """Bytes of the socket's receive buffer, as the kernel counts: about twice what of it holds data."""
        self.prompt = False
        """True: read whenever something comes; False: only by `read_now`."""
        self._loop = asyncio.get_running_loop()
        self._socket = sock
        self._buffer = buffer
        self._clock = clock
        self._stall_ns = int(stall_s * 1e9)
        self._leftover = b""
        self._unsent = b""
        self._alive_since_ns = 0
        self._looked_ns = 0
        self._ended: asyncio.Future[RtspError] = self._loop.create_future()
        self._closed = False

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        address: CameraAddress,
        *,
        on_access_unit: Callable[[AccessUnit], None],
        buffer: memoryview | None = None,
        window: int = MIN_WINDOW,
        connect_timeout: float = HANDSHAKE_TIMEOUT_S,
        stall_s: float = STALL_S,
        user_agent: str = USER_AGENT,
        clock: Clock = time.monotonic_ns,
    ) -> AsyncIterator[RtspConnection]:
        """Connect, log in and play; on leaving the block TEARDOWN and close.

        `connect_timeout` (seconds) bounds everything up to the answer to PLAY. `buffer` may be shared by all
        connections of a loop, at least MIN_BUFFER bytes, and is only used inside a read. `window`: bytes, from
        `receive_window`. The connection begins paused: set `prompt` or call `read_now`. RtspError where the camera
        cannot be played; what ends it later comes from `read_now`, `check_alive` and `ended`.
        """
        if buffer is None:
            buffer = memoryview(bytearray(MIN_BUFFER))
        if len(buffer) < MIN_BUFFER:
            raise ValueError(f"a receive buffer of {len(buffer)} bytes: {MIN_BUFFER} at least")
        session = RtspSession(address, on_access_unit=on_access_unit, user_agent=user_agent)
        connection: RtspConnection | None = None
        try:
            async with asyncio.timeout(connect_timeout):
                sock = await _connect(address, window)
                connection = cls(session, sock, buffer, clock, stall_s)
                await connection._handshake()
        except TimeoutError:
            if connection is not None:
                connection._close_now()
            at = "takes our connection and then does not answer" if connection else "does not answer"
            raise RtspError("timed_out", f"The camera at {address.redacted} {at} ({connect_timeout:g} s).") from None
        except BaseException:
            if connection is not None:
                connection._close_now()
            raise
        try:
            yield connection
        finally:
            await connection.close()

    # Reading.

    def set_prompt(self, prompt: bool) -> None:
        """Switch between reading whenever something comes and only by `read_now`."""
        if prompt == self.prompt or self._closed:
            return
        self.prompt = prompt
        if prompt:
            self._loop.add_reader(self._socket, self._on_readable)
        else:
            self._loop.remove_reader(self._socket)

    def read_now(self, buffer: memoryview | None = None) -> bool:
        """Take what the kernel has, without waiting; True: more may be there. RtspError when it has ended."""
        if self._ended.done():
            raise self._ended.result()
        try:
            return self._read(self._buffer if buffer is None else buffer)
        except RtspError as error:
            self._end(error)
            raise
        except BaseException:
            # Our own fault, or the callback's: the place in the stream is lost, and with it the connection.
            self._end(RtspError("protocol", "The stream was given up after an internal error."))
            raise

    def check_alive(self, now_ns: int | None = None) -> None:
        """Raise RtspError where the connection has ended or brings no pictures; keep the session alive. Cheap."""
        if self._ended.done():
            raise self._ended.result()
        now_ns = self._clock() if now_ns is None else now_ns
        if self._silent_since(now_ns) and now_ns - self._looked_ns > self._stall_ns // 5:
            self.read_now()  # nobody has looked for long: it is we who were late
        if self._silent_since(now_ns):
            seconds = (now_ns - self._last_sign_ns()) / 1e9
            what = "sends no pictures" if self.session.packets == 0 else "has stopped sending pictures"
            error = RtspError("stalled", f"The camera is connected but {what} ({seconds:.0f} s).")
            self._end(error)
            raise error
        try:
            self._keep_alive(now_ns)
        except RtspError as error:
            self._end(error)
            raise

    async def ended(self) -> RtspError:
        """Wait until the connection ends by itself, and return why."""
        return await asyncio.shield(self._ended)

    def fileno(self) -> int:
        """The socket's descriptor; -1 after the end."""
        return self._socket.fileno()

    async def close(self) -> None:
        """Send TEARDOWN, wait shortly for the answer, close. Never raises for what the camera does."""
        if self._closed:
            return
        if not self._ended.done():
            self.set_prompt(False)
            with contextlib.suppress(RtspError, OSError, TimeoutError):
                async with asyncio.timeout(TEARDOWN_TIMEOUT_S):
                    await self._tear_down()
            self._end(RtspError("closed", "The connection was closed from this side."))
        self._close_now()

    # Below: the socket.

    def _on_readable(self) -> None:
        with contextlib.suppress(RtspError):  # `ended` tells of it
            self.read_now()

    def _read(self, buffer: memoryview) -> bool:
        now_ns = self._looked_ns = self._clock()
        for _ in range(ROUNDS):
            kept = len(self._leftover)
            if kept:
                buffer[:kept] = self._leftover
                room = buffer[kept:]
            else:
                room = buffer
            try:
                count = self._socket.recv_into(room)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                raise _broken(error) from None
            if count == 0:
                self.session.end_of_stream()
                raise RtspError("closed", "The camera has closed the connection.")
            self.session.bytes_received += count
            self._take(buffer, kept + count, now_ns)
            if count < len(room):
                break
        else:
            return True
        if self._unsent or now_ns >= self.session.next_keepalive_ns:
            self._keep_alive(now_ns)
        return False

    def _take(self, buffer: memoryview, end: int, now_ns: int) -> None:
        used = self.session.receive(buffer, end, now_ns)
        self._leftover = bytes(buffer[used:end]) if used < end else b""
        if self.session.has_output:
            self._send()

    def _keep_alive(self, now_ns: int) -> None:
        if self.session.keepalive_due(now_ns):
            self.session.send_keepalive(now_ns)
        self._send()

    def _send(self) -> None:
        """Send without waiting; what the kernel does not take is tried again with the next read."""
        data = self._unsent + self.session.take_output()
        if not data:
            return
        try:
            sent = self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            raise _broken(error) from None
        self._unsent = data[sent:]
        if len(self._unsent) > MAX_MESSAGE:
            raise RtspError("stalled", "The camera does not read what we send.")

    async def _handshake(self) -> None:
        self.session.start()
        while self.session.state == "connecting":
            await self._exchange()
        self._alive_since_ns = self._clock()

    async def _tear_down(self) -> None:
        self.session.teardown()
        while self.session.state != "closed":
            await self._exchange()

    async def _exchange(self) -> None:
        """Send what is to be sent, and take what comes next. Not through the shared buffer: we wait here."""
        try:
            if data := self._unsent + self.session.take_output():
                self._unsent = b""
                await self._loop.sock_sendall(self._socket, data)
            received = await self._loop.sock_recv(self._socket, MAX_MESSAGE)
        except OSError as error:
            raise _broken(error) from None
        if not received:
            raise RtspError("closed", "The camera has closed the connection instead of answering.")
        self.session.bytes_received += len(received)
        data = self._leftover + received
        used = self.session.receive(memoryview(data), len(data), self._clock())
        self._leftover = data[used:]

    def _last_sign_ns(self) -> int:
        return max(self.session.last_access_unit_ns, self._alive_since_ns)

    def _silent_since(self, now_ns: int) -> bool:
        return now_ns - self._last_sign_ns() > self._stall_ns

    def _end(self, error: RtspError) -> None:
        if not self._ended.done():
            self._ended.set_result(error)
        self._close_now()

    def _close_now(self) -> None:
        if not self._closed:
            self._closed = True
            if self.prompt:
                self._loop.remove_reader(self._socket)
                self.prompt = False
            self._socket.close()
            self._leftover = self._unsent = b""


async def _connect(address: CameraAddress, window: int) -> socket.socket:
    """Connect to the first address of the host that answers; the caller bounds the time."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise RtspError("refused", f"The name “{address.host}” of the camera cannot be found.") from None
    failure: OSError | None = None
    for family, kind, protocol, _, where in found:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _widen(sock, window)
            await loop.sock_connect(sock, where)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise _refused(address, failure)


def _widen(sock: socket.socket, window: int) -> None:
    """Ask for a receive buffer of `window` bytes, before connecting, so that TCP can announce it (RFC 7323 §2).

    Setting the size ends the kernel's own growing of it, so that a request cut down by `net.core.rmem_max` would leave
    us with less than no request: then only a privileged process asks.
    """
    try:
        if window <= _rmem_max():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        else:
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, window)
    except OSError:
        return  # the kernel's own size, which `window_granted` reports


def _rmem_max() -> int:
    try:
        return int(Path("/proc/sys/net/core/rmem_max").read_text())
    except (OSError, ValueError):
        return 212_992  # Linux's default


def _granted(sock: socket.socket) -> int:
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)


def _refused(address: CameraAddress, error: OSError | None) -> RtspError:
    where = address.redacted
    if isinstance(error, TimeoutError) or (error and error.errno == errno.ETIMEDOUT):
        return RtspError("timed_out", f"The camera at {where} does not answer.")
    if isinstance(error, ConnectionRefusedError):
        return RtspError(
            "refused", f"Nothing listens at {where}. Is the port right, and RTSP switched on in the camera?"
        )
    if error and error.errno in _UNREACHABLE:
        return RtspError("refused", f"There is no way to {where} in the network. Is the camera on, the cable in?")
    said = error.strerror if error else "no address"
    return RtspError("refused", f"No connection to the camera at {where}: {said}.")


def _broken(error: OSError) -> RtspError:
    if isinstance(error, TimeoutError):
        return RtspError("timed_out", "The connection to the camera was lost: it no longer answers.")
    return RtspError("closed", f"The connection to the camera broke: {error.strerror or 'reset'}.")
