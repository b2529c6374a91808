"""The connection to a camera: a non-blocking socket under an `RtspSession`, on asyncio or uvloop.

No asyncio transport stands in the media path: it would read ahead of us. The socket is read by us alone, either
whenever the kernel has something (`read_promptly`, while someone watches) or when the recorder's schedule says so
(`read_now`, which costs least: one call of the kernel for dozens of packets). One buffer serves all connections of a
process; what is left of an incomplete packet after a read is kept per connection.

Whatever ends a connection is told in one place, `ended`; reading and checking never raise for what a camera does.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import NoReturn, Self

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
        self, session: RtspSession, sock: socket.socket, buffer: memoryview, clock: Clock, stall_timeout: float
    ) -> None:
        self.session = session
        self.window = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
        """Bytes that the kernel grants us to leave unread; it reports twice that, with its book-keeping (socket(7))."""
        self._loop = asyncio.get_running_loop()
        self._socket = sock
        self._buffer = buffer
        self._clock = clock
        self._stall_ns = int(stall_timeout * 1e9)
        self._prompt = False
        self._leftover = b""
        self._unsent = b""
        self._alive_since_ns = 0
        self._looked_ns = 0
        self._ended: asyncio.Future[RtspError] = self._loop.create_future()
        self._closed = False

    @classmethod
    async def open(
        cls,
        address: CameraAddress,
        *,
        on_access_unit: Callable[[AccessUnit], None],
        buffer: memoryview | None = None,
        window: int = MIN_WINDOW,
        connect_timeout: float = HANDSHAKE_TIMEOUT_S,
        stall_timeout: float = STALL_S,
        user_agent: str = USER_AGENT,
        clock: Clock = time.monotonic_ns,
    ) -> RtspConnection:
        """Connect, log in and play: `async with await RtspConnection.open(…) as connection`, or `close` it at the end.

        `connect_timeout` (seconds) bounds everything up to the answer to PLAY. `buffer` may be shared by all
        connections of a loop, at least MIN_BUFFER bytes, and is only used inside a read. `window`: bytes, from
        `receive_window`. The connection begins paused: call `read_promptly`, or `read_now` again and again. The first
        pictures may come before this returns. RtspError where the camera cannot be played.
        """
        if buffer is None:
            buffer = memoryview(bytearray(MIN_BUFFER))
        if len(buffer) < MIN_BUFFER:
            raise ValueError(f"a receive buffer of {len(buffer)} bytes: {MIN_BUFFER} at least")
        if address.secure:
            raise RtspError("unsupported", "Encrypted addresses (rtsps://) cannot be recorded yet. Use rtsp:// here.")
        session = RtspSession(address, on_access_unit=on_access_unit, user_agent=user_agent)
        connection: RtspConnection | None = None
        try:
            async with asyncio.timeout(connect_timeout):
                sock = await _connect(address, window)
                connection = cls(session, sock, buffer, clock, stall_timeout)
                await connection._handshake()
        except TimeoutError:
            if connection is not None:
                connection._release()
            what = "takes our connection and then does not answer" if connection else "does not answer"
            raise RtspError("timed_out", f"The camera at {address.redacted} {what} ({connect_timeout:g} s).") from None
        except BaseException:
            if connection is not None:
                connection._release()
            raise
        return connection

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # Reading.

    def read_promptly(self) -> None:
        """Read whenever something comes, from now on: what someone watches."""
        if not self._prompt and not self._closed:
            self._prompt = True
            self._loop.add_reader(self._socket, self.read_now)

    def read_on_demand(self) -> None:
        """Read only when `read_now` is called, from now on."""
        if self._prompt and not self._closed:
            self._prompt = False
            self._loop.remove_reader(self._socket)

    def read_now(self, buffer: memoryview | None = None) -> bool:
        """Take what the kernel has, without waiting, through `buffer` or the one given to `open`.

        True: more may be there. False: that was all, or the connection has ended.
        """
        if self._closed:
            return False
        try:
            return self._read(self._buffer if buffer is None else buffer)
        except RtspError as error:
            self._lose(error)
            return False
        except BaseException:
            # Our own fault, or the callback's: the place in the stream is lost, and with it the connection.
            self._end(RtspError("protocol", "The stream was given up after an internal error."))
            raise

    def check_alive(self, now_ns: int | None = None) -> bool:
        """End the connection where it brings no pictures; send signs of life; True while it lives. Cheap: ask often."""
        if self._closed:
            return False
        now_ns = self._clock() if now_ns is None else now_ns
        if self._is_silent(now_ns) and now_ns - self._looked_ns > self._stall_ns // 5:
            self.read_now()  # nobody has looked for long: perhaps it is we who were late
        try:
            if self._is_silent(now_ns):
                raise self._stalled(now_ns)
            self._keep_alive(now_ns)
        except RtspError as error:
            self._lose(error)
        return not self._closed

    async def ended(self) -> NoReturn:
        """Wait until the connection ends, and raise the RtspError that says why ("closed" after `close`)."""
        raise await asyncio.shield(self._ended)

    def fileno(self) -> int:
        """The socket's descriptor; -1 after the end."""
        return self._socket.fileno()

    async def close(self) -> None:
        """Send TEARDOWN, wait shortly for the answer, close. Never raises for what the camera does."""
        if self._closed:
            return
        self.read_on_demand()
        try:
            with contextlib.suppress(RtspError, TimeoutError):
                async with asyncio.timeout(TEARDOWN_TIMEOUT_S):
                    await self._tear_down()
        finally:
            self._end(RtspError("closed", "The connection was closed from this side."))

    # Below: the socket.

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
                raise RtspError("closed", "The camera has closed the connection.")
            self.session.bytes_received += count
            used = self.session.receive(buffer, kept + count, now_ns)
            self._leftover = bytes(buffer[used : kept + count])
            if count < len(room):
                break
        else:
            return True
        if self._unsent or self.session.has_output or now_ns >= self.session.next_keepalive_ns:
            self._keep_alive(now_ns)
        return False

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

    def _silent_for(self, now_ns: int) -> int:
        return now_ns - max(self.session.last_access_unit_ns, self._alive_since_ns)

    def _is_silent(self, now_ns: int) -> bool:
        return not self._closed and self._silent_for(now_ns) > self._stall_ns

    def _stalled(self, now_ns: int) -> RtspError:
        what = "has stopped sending pictures" if self.session.access_units else "sends no pictures"
        return RtspError("stalled", f"The camera is connected but {what} ({self._silent_for(now_ns) / 1e9:.0f} s).")

    def _lose(self, error: RtspError) -> None:
        """The camera has ended it: what it sent whole is still worth having."""
        self._end(error)
        self.session.end_of_stream()

    def _end(self, error: RtspError) -> None:
        if not self._ended.done():
            self._ended.set_result(error)
        self._release()

    def _release(self) -> None:
        if not self._closed:
            self.read_on_demand()
            self._closed = True
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
    """Ask for a receive buffer of `window` bytes: before connecting, so that TCP can announce it (RFC 7323 §2).

    The kernel doubles the figure for its own book-keeping and cuts it at `net.core.rmem_max`, except for a process
    with the right to pass that.
    """
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, window)
    except OSError:
        with contextlib.suppress(OSError):  # what was granted stands in `RtspConnection.window`
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)


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
