"""The bytes of a connection: a non-blocking socket as it is, or with TLS around everything (RFC 7826 §19.2).

Both are read in helpings: one call of the kernel takes what has come, for TLS through a memory BIO, since the records
of an `SSLSocket` would cost two calls each and leave decrypted bytes where no poll of the socket sees them.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import Protocol, cast

HELPING = 256 * 1024
"""Bytes of encrypted records taken from the kernel in one call."""
MOST_HELPINGS = 16
"""Of one read: twice what fills the recorder's buffer when each is whole."""


class Wire(Protocol):
    """What a connection needs of its transport. Not ready is BlockingIOError, the end 0 bytes, a fault OSError."""

    @property
    def backlog(self) -> int:
        """Bytes that were taken by `send` and that the kernel has not taken yet."""

    @property
    def buffered(self) -> bool:
        """Whether bytes that came are to be had without the kernel having more."""

    def recv_into(self, room: memoryview) -> int:
        """Fill `room` as far as there is something."""

    def send(self, data: bytes) -> int:
        """Take some of `data` and send what can be sent; return how many bytes were taken."""

    async def receive(self, most: int) -> bytes:
        """Wait for bytes."""

    async def send_all(self, data: bytes) -> None:
        """Wait until everything is sent."""

    def farewell(self) -> None:
        """Say that nothing more will be sent, without waiting."""


class PlainWire:
    """A socket as it is."""

    backlog = 0
    buffered = False

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.recv_into = sock.recv_into
        self.send = sock.send

    async def receive(self, most: int) -> bytes:
        """Wait for bytes."""
        return await _received(self._socket, most)

    async def send_all(self, data: bytes) -> None:
        """Wait until everything is sent."""
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    def farewell(self) -> None:
        """Nothing is said: the end of the connection says it."""


class TlsWire:
    """TLS over a connected socket. `handshake` first."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, server_name: str) -> None:
        self._socket = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        self._unsent = b""
        self._ended = False

    @property
    def backlog(self) -> int:
        """Encrypted bytes that the kernel has not taken yet."""
        return len(self._unsent) + self._outgoing.pending

    @property
    def buffered(self) -> bool:
        """Whether records wait to be decrypted, or decrypted bytes to be read."""
        return self._incoming.pending > 0 or self.object.pending() > 0

    async def handshake(self) -> None:
        """Agree on keys and look at the certificate as the context says; ssl.SSLError where that fails."""
        while True:
            try:
                self.object.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._take_some()
            except ssl.SSLError:
                # Our alert tells the camera's log why.
                with contextlib.suppress(OSError):
                    self._push()
                raise
            else:
                await self._flush()
                return

    def recv_into(self, room: memoryview) -> int:
        """Decrypt what is there; ask the kernel when that is all.

        Asked a bounded number of times: records may hold nothing to read (new keys, RFC 8446 §4.6.3), and come as
        fast as they are taken.
        """
        filled, helpings = 0, MOST_HELPINGS
        while filled < len(room):
            try:
                count = cast(int, self.object.read(len(room) - filled, room[filled:]))  # into a buffer: how many
            except ssl.SSLWantReadError:
                self._push()  # a key update is answered (RFC 8446 §4.6.3)
                if self._ended:
                    break
                try:
                    if not helpings:
                        raise BlockingIOError
                    data = self._socket.recv(HELPING)
                except (BlockingIOError, InterruptedError):
                    if filled:
                        return filled
                    raise
                helpings -= 1
                self._deliver(data)
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                self._ended = True
                break
            else:
                if not count:
                    self._ended = True
                    break
                filled += count
        return filled

    def send(self, data: bytes) -> int:
        """Encrypt all of `data` (or none, while the camera changes keys), and send what the kernel takes."""
        taken = 0
        if data:
            with contextlib.suppress(ssl.SSLWantReadError):
                taken = self.object.write(data)
        self._push()
        return taken

    async def receive(self, most: int) -> bytes:
        """Wait for decrypted bytes."""
        while True:
            try:
                return self.object.read(most)
            except ssl.SSLWantReadError:
                await self._flush()
                if self._ended:
                    return b""
                await self._take_some()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    async def send_all(self, data: bytes) -> None:
        """Wait until everything is encrypted and sent."""
        while data:
            try:
                data = data[self.object.write(data) :]
            except ssl.SSLWantReadError:
                await self._flush()
                await self._take_some()
        await self._flush()

    def farewell(self) -> None:
        """Send close_notify (RFC 8446 §6.1), as far as the kernel takes it."""
        with contextlib.suppress(OSError, ValueError):
            self.object.unwrap()
        with contextlib.suppress(OSError):
            self._push()

    async def _take_some(self) -> None:
        data = await _received(self._socket, HELPING)
        if not data and self._ended:
            raise ConnectionResetError
        self._deliver(data)

    def _deliver(self, data: bytes) -> None:
        if data:
            self._incoming.write(data)
        else:
            self._ended = True
            self._incoming.write_eof()

    async def _flush(self) -> None:
        if data := self._unsent + self._outgoing.read():
            self._unsent = b""
            await asyncio.get_running_loop().sock_sendall(self._socket, data)

    def _push(self) -> None:
        data = self._unsent + self._outgoing.read()
        if not data:
            return
        try:
            sent = self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        self._unsent = data[sent:]


async def _received(sock: socket.socket, most: int) -> bytes:
    """Wait for bytes, and let others have their turn: where some are there, asyncio's own loop does not.

    A camera that sends faster than we read would else be read for ever, past every time-out.
    """
    data = await asyncio.get_running_loop().sock_recv(sock, most)
    await asyncio.sleep(0)
    return data
