"""The connection to a camera: non-blocking sockets under an `RtspSession`, on asyncio or uvloop.

No asyncio transport stands in the media path: it would read ahead of us. The sockets are read by us alone, either
whenever the kernel has something (`read_promptly`, while someone watches) or when the recorder's schedule says so
(`read_now`, which costs least: one call of the kernel for dozens of packets). One buffer serves all connections of a
process; what is left of an incomplete packet after a read is kept per connection.

Whatever ends a connection is told in one place, `ended`; reading and checking never raise for what a camera does. The
camera is told the end, too (TEARDOWN), whatever it was, where its socket still takes it: many keep a session that was
not torn down until it times out, and allow three.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import NoReturn, Self

from vonggac.video.rtsp.address import CameraAddress
from vonggac.video.rtsp.connecting import broken, certificate_of, connect, granted, secure, widen
from vonggac.video.rtsp.datagrams import DatagramPair
from vonggac.video.rtsp.errors import RtspError
from vonggac.video.rtsp.message import MAX_MESSAGE
from vonggac.video.rtsp.session import USER_AGENT, RtspSession
from vonggac.video.rtsp.transport import LowerTransport
from vonggac.video.rtsp.wire import TlsWire, Wire
from vonggac.video.stream import AccessUnit, SoundUnit

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

Clock = Callable[[], int]


def receive_window(pause_s: float, bits_per_s: float) -> int:
    """Return the bytes a socket must hold for a camera read every `pause_s`: four times what comes meanwhile."""
    return max(MIN_WINDOW, round(WINDOW_MARGIN * pause_s * bits_per_s / 8))


class RtspConnection:
    """A playing camera. Made by `open`; whoever holds it reads it, checks that it lives, and closes it."""

    def __init__(
        self,
        address: CameraAddress,
        sock: socket.socket,
        *,
        on_access_unit: Callable[[AccessUnit], None],
        transport: LowerTransport,
        buffer: memoryview,
        window: int,
        stall_timeout: float,
        user_agent: str,
        clock: Clock,
        on_sound: Callable[[SoundUnit], None] | None,
    ) -> None:
        self.session = RtspSession(
            address,
            on_access_unit=on_access_unit,
            on_sound=on_sound,
            client_ports=self._open_ports if transport == "udp" else None,
            user_agent=user_agent,
        )
        self.window = 0
        """Bytes that the kernel grants us to leave unread, once it plays."""
        self.encryption = ""
        """Version of TLS; empty without."""
        self.certificate = b""
        """The camera's, believed (DER); empty without TLS."""
        self._loop = asyncio.get_running_loop()
        self._socket = sock
        self._wire: Wire | None = None
        self._pairs: list[DatagramPair] = []
        self._wanted_window = window
        self._buffer = buffer
        self._clock = clock
        self._stall_ns = int(stall_timeout * 1e9)
        self._prompt = False
        self._leftover = b""
        self._unsent = b""
        self._alive_since_ns = 0
        self._looked_ns = 0
        self._ended: asyncio.Future[RtspError] = self._loop.create_future()
        self._gone = False  # the socket takes nothing any more
        self._hung_up = False  # and it was the camera that closed it
        self._closed = False

    @classmethod
    async def open(
        cls,
        address: CameraAddress,
        *,
        on_access_unit: Callable[[AccessUnit], None],
        transport: LowerTransport = "tcp",
        tls_fingerprint: str = "",
        buffer: memoryview | None = None,
        window: int = MIN_WINDOW,
        connect_timeout: float = HANDSHAKE_TIMEOUT_S,
        stall_timeout: float = STALL_S,
        user_agent: str = USER_AGENT,
        clock: Clock = time.monotonic_ns,
        on_connected: Callable[[RtspSession], None] | None = None,
        on_sound: Callable[[SoundUnit], None] | None = None,
    ) -> RtspConnection:
        """Connect, log in and play: `async with await RtspConnection.open(…) as connection`, or `close` it at the end.

        `transport` is taken as said, never changed in silence. `tls_fingerprint` pins the certificate of an rtsps
        camera (`certificates.py`). `connect_timeout` (seconds) bounds everything up to the answer to PLAY. `buffer` may
        be shared by all connections of a loop, at least MIN_BUFFER bytes, and is only used inside a read. `window`:
        bytes, from `receive_window`. The connection begins paused: call `read_promptly`, or `read_now` again and
        again. The first pictures may come before this returns. `on_connected` hears when the camera has taken the
        connection, before it is asked anything. `on_sound` asks for its sound, too: what becomes of it stands in
        `session.description`. RtspError where the camera cannot be played.
        """
        if buffer is None:
            buffer = memoryview(bytearray(MIN_BUFFER))
        if len(buffer) < MIN_BUFFER:
            raise ValueError(f"a receive buffer of {len(buffer)} bytes: {MIN_BUFFER} at least")
        if address.secure and transport == "udp":
            raise RtspError("unsupported", "Over UDP the pictures of an rtsps:// camera would travel open. Use tcp.")
        connection: RtspConnection | None = None
        try:
            try:
                async with asyncio.timeout(connect_timeout):
                    sock = await connect(address, window)
                    connection = cls(
                        address,
                        sock,
                        on_access_unit=on_access_unit,
                        transport=transport,
                        buffer=buffer,
                        window=window,
                        stall_timeout=stall_timeout,
                        user_agent=user_agent,
                        clock=clock,
                        on_sound=on_sound,
                    )
                    if on_connected is not None:
                        on_connected(connection.session)
                    await connection._secure(address, tls_fingerprint)
                    await connection._handshake()
            except TimeoutError:
                what = "does not answer" if connection is None else connection._what_is_missing()
                words = f"The camera at {address.redacted} {what} ({connect_timeout:g} s)."
                raise RtspError("timed_out", words) from None
        except RtspError:
            if connection is not None:
                await connection.close()
            raise
        except BaseException:
            if connection is not None:
                connection._part()
            raise
        return connection

    @property
    def left_behind(self) -> bool:
        """Whether the camera may keep a session of ours until it times out: it was told no end, or did not confirm."""
        return self.session.is_set_up and not self._hung_up

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # Reading.

    def read_promptly(self) -> None:
        """Read whenever something comes, from now on: what someone watches."""
        if self._prompt or self._over:
            return
        self._prompt = True
        for sock in self._sockets():
            self._loop.add_reader(sock, self._readable)
        if self._wire is not None and self._wire.buffered:
            self._loop.call_soon(self._readable)

    def read_on_demand(self) -> None:
        """Read only when `read_now` is called, from now on."""
        if self._prompt and not self._closed:
            self._prompt = False
            for sock in self._sockets():
                self._loop.remove_reader(sock)

    def read_now(self, buffer: memoryview | None = None) -> bool:
        """Take what the kernel has, without waiting, through `buffer` or the one given to `open`.

        True: more may be there. False: that was all, or the connection has ended.
        """
        if self._over:
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
        if self._over:
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
        return not self._over

    def give_up(self, error: RtspError) -> None:
        """Have `ended` raise this error; the connection stays open for whoever holds it to close it in order."""
        if not self._ended.done():
            self._ended.set_result(error)

    async def ended(self) -> NoReturn:
        """Wait until the connection ends, and raise the RtspError that says why ("closed" after `close`)."""
        raise await asyncio.shield(self._ended)

    def fileno(self) -> int:
        """The socket's descriptor; -1 after the end."""
        return -1 if self._over else self._socket.fileno()

    async def close(self) -> None:
        """Send TEARDOWN, wait shortly for the answer, close. Never raises for what the camera does.

        To be called also after `ended`: the camera is told, unless it is the camera that went.
        """
        if self._closed:
            return
        self.read_on_demand()
        try:
            if self._wire is not None and not self._gone and self.session.is_set_up:
                with contextlib.suppress(RtspError, TimeoutError):
                    async with asyncio.timeout(TEARDOWN_TIMEOUT_S):
                        await self._tear_down(self._wire)
        finally:
            self._end(RtspError("closed", "The connection was closed from this side."))
            self._release()

    # Below: the sockets.

    @property
    def _over(self) -> bool:
        return self._closed or self._ended.done()

    def _sockets(self) -> list[socket.socket]:
        return [self._socket, *(sock for pair in self._pairs for sock in pair.sockets)]

    def _open_ports(self) -> tuple[int, int]:
        """Open our UDP ports of the next track."""
        channel = 2 * len(self._pairs)
        try:
            pair = DatagramPair(self._socket, channel, lambda sock: widen(sock, self._wanted_window))
        except OSError as error:  # a camera that has reset the connection meanwhile has no address any more
            raise self._break(error) from None
        self._pairs.append(pair)
        return self._pairs[-1].ports

    async def _secure(self, address: CameraAddress, fingerprint: str) -> None:
        wire = self._wire = await secure(self._socket, address, fingerprint)
        if isinstance(wire, TlsWire):
            self.encryption, self.certificate = wire.object.version() or "", certificate_of(wire)

    def _readable(self) -> None:
        more = self.read_now()
        if more and self._prompt and self._wire is not None and self._wire.buffered:
            # What is decrypted or waits for it is no news of the socket any more.
            self._loop.call_soon(self._readable)

    def _read(self, buffer: memoryview) -> bool:
        now_ns = self._looked_ns = self._clock()
        more = False
        for pair in self._pairs:
            more = pair.read(self.session, buffer, now_ns) or more
            pair.report(self.session, now_ns)
        if self._read_wire(buffer, now_ns) or more:
            return True
        if self._unsent or self.session.has_output or now_ns >= self.session.next_keepalive_ns:
            self._keep_alive(now_ns)
        return False

    def _read_wire(self, buffer: memoryview, now_ns: int) -> bool:
        wire = self._wire
        assert wire is not None
        for _ in range(ROUNDS):
            kept = len(self._leftover)
            if kept:
                buffer[:kept] = self._leftover
                room = buffer[kept:]
            else:
                room = buffer
            try:
                count = wire.recv_into(room)
            except (BlockingIOError, InterruptedError):
                return False
            except OSError as error:
                raise self._break(error) from None
            if count == 0:
                self._gone = self._hung_up = True
                raise RtspError("closed", "The camera has closed the connection.")
            self.session.bytes_received += count
            used = self.session.receive(buffer, kept + count, now_ns)
            self._leftover = bytes(buffer[used : kept + count])
            if count < len(room):
                return False
        return True

    def _keep_alive(self, now_ns: int) -> None:
        if self.session.keepalive_due(now_ns):
            self.session.send_keepalive(now_ns)
        self._send()

    def _send(self) -> None:
        """Send without waiting; what the kernel does not take is tried again with the next read."""
        wire = self._wire
        data = self._unsent + self.session.take_output()
        if wire is None or not (data or wire.backlog):
            return
        try:
            sent = wire.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            raise self._break(error) from None
        self._unsent = data[sent:]
        if len(self._unsent) + wire.backlog > MAX_MESSAGE:
            raise RtspError("stalled", "The camera does not read what we send.")

    async def _handshake(self) -> None:
        wire = self._wire
        assert wire is not None
        self.session.start()
        while self.session.state == "connecting":
            await self._exchange(wire)
            self._aim_ports()
        self._alive_since_ns = self._clock()
        self.window = min(granted(sock) for sock in [pair.sockets[0] for pair in self._pairs] or [self._socket])

    def _aim_ports(self) -> None:
        """Tell the ports where the camera sends from, once it has said so, and open the way for it."""
        for pair, agreed in zip(self._pairs, self.session.transports, strict=False):
            pair.connect(agreed.server_ports, agreed.source)
            pair.report(self.session, self._clock())

    async def _tear_down(self, wire: Wire) -> None:
        self.session.teardown()
        try:
            while self.session.state != "closed":
                await self._exchange(wire)
        except RtspError:
            # Out of step, the answer cannot be found. Whoever closes on unread bytes takes back what he has sent.
            while not self._gone and await wire.receive(MAX_MESSAGE):
                pass

    async def _exchange(self, wire: Wire) -> None:
        """Send what is to be sent, and take what comes next. Not through the shared buffer: we wait here."""
        try:
            if data := self._unsent + self.session.take_output():
                self._unsent = b""
                await wire.send_all(data)
            received = await wire.receive(MAX_MESSAGE)
        except OSError as error:
            raise self._break(error) from None
        if not received:
            self._gone = self._hung_up = True
            raise RtspError("closed", f"The camera has closed the connection {self._instead()}.")
        self.session.bytes_received += len(received)
        data = self._leftover + received
        used = self.session.receive(memoryview(data), len(data), self._clock())
        self._leftover = data[used:]

    def _instead(self) -> str:
        if self._leftover:
            return f"in the middle of its answer to {self.session.waits_for}"
        return f"instead of answering {self.session.waits_for}"

    def _what_is_missing(self) -> str:
        """Say what the camera owes us, where its time is over."""
        if self._wire is None:
            return "takes our connection and then does not agree on its encryption"
        if self._leftover:
            return f"begins its answer to {self.session.waits_for} and does not end it"
        return f"takes our connection and then does not answer {self.session.waits_for}"

    def _silent_for(self, now_ns: int) -> int:
        return now_ns - max(self.session.last_access_unit_ns, self._alive_since_ns)

    def _is_silent(self, now_ns: int) -> bool:
        return not self._over and self._silent_for(now_ns) > self._stall_ns

    def _stalled(self, now_ns: int) -> RtspError:
        silent = f"({self._silent_for(now_ns) / 1e9:.0f} s)"
        if self._pairs and not any(pair.arrived for pair in self._pairs):
            ports = f"{self._pairs[0].ports[0]}-{self._pairs[-1].ports[1]}"
            others = next(
                (f" Packets come from {pair.foreign_from} instead." for pair in self._pairs if pair.foreign_from), ""
            )
            return RtspError(
                "stalled",
                f"The camera agreed to send over UDP, and nothing arrives at our ports {ports} {silent}.{others} A "
                "firewall or router between stops it: open the way, or record over TCP (--transport tcp).",
            )
        what = "has stopped sending pictures" if self.session.access_units else "sends no pictures"
        return RtspError("stalled", f"The camera is connected but {what} {silent}.")

    def _break(self, error: OSError) -> RtspError:
        self._gone = True
        self._hung_up = isinstance(error, ConnectionError)
        return broken(error)

    def _lose(self, error: RtspError) -> None:
        """It has come to an end: what was sent whole is still worth having."""
        self._end(error)
        with contextlib.suppress(RtspError):
            for pair in self._pairs:
                pair.finish(self.session, self._looked_ns)
        self.session.end_of_stream()

    def _end(self, error: RtspError) -> None:
        self.read_on_demand()
        if not self._ended.done():
            self._ended.set_result(error)
        if self._gone:
            self._release()

    def _part(self) -> None:
        """End at once, with what can be said without waiting."""
        if self._wire is not None and not self._gone and self.session.is_set_up:
            self.session.teardown()
            with contextlib.suppress(RtspError):
                self._send()
        self._release()

    def _release(self) -> None:
        if self._closed:
            return
        self.read_on_demand()
        self._closed = True
        if self._wire is not None and not self._gone:
            self._wire.farewell()
        self._socket.close()
        for pair in self._pairs:
            pair.close()
        self._leftover = self._unsent = b""
