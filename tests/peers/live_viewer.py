"""A program that watches a camera through the pages' WebSocket, as a browser does: no code of ours reads for it."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

INIT, FRAGMENT, JPEG = 1, 2, 3


@dataclass(frozen=True)
class Binary:
    """One binary message."""

    kind: int
    key: bool
    arrived_us: int
    data: bytes = field(repr=False)
    read_us: int = field(repr=False, default=0)

    @property
    def times(self) -> tuple[int, int, int]:
        """Of a fragment: (decoded, shown, duration), read box by box (ISO/IEC 14496-12)."""
        at, boxes = 8, {}
        assert self.data[4:8] == b"moof"
        end = int.from_bytes(self.data[:4], "big")
        while at < end:
            size, kind = struct.unpack_from(">I4s", self.data, at)
            boxes[kind] = at + 8
            at += 8 if kind == b"traf" else size
        (decoded,) = struct.unpack_from(">Q", self.data, boxes[b"tfdt"] + 4)
        flags, count, _, _, duration, _ = struct.unpack_from(">IIiIII", self.data, boxes[b"trun"])
        assert count == 1
        (offset,) = struct.unpack_from(">i", self.data, boxes[b"trun"] + 24) if flags & 0x800 else (0,)
        return decoded, decoded + offset, duration


Said = dict[str, Any] | Binary


class LiveViewer:
    """One viewer. `next` gives the next message; `said` keeps JSON but `alive`, `pictures` fragments and JPEGs."""

    def __init__(self, address: str, camera: object, cookie: str, *, slow: bool = False, **asked: object) -> None:
        """`address`: of the pages, http://…; `slow`: reads nothing ahead."""
        language = str(asked.pop("language", "en"))
        query = "&".join(f"{name}={value}" for name, value in asked.items())
        host = address.removeprefix("http://")
        self._open = ExitStack()
        connecting = connect(
            f"ws://{host}/live/{camera}?{query}",
            additional_headers={"cookie": cookie, "accept-language": language},
            compression=None,
            max_size=32 << 20,
            max_queue=1 if slow else 64,
            open_timeout=30,
            close_timeout=1,
        )
        self.socket = self._open.enter_context(connecting)
        self.said: list[dict[str, Any]] = []
        self.inits: list[Binary] = []
        self.pictures: list[Binary] = []
        self.closed: int | None = None

    def next(self, limit_s: float = 30.0) -> Said | None:
        """Return the next message; None when the socket was closed (the status is in `closed`)."""
        try:
            message = self.socket.recv(timeout=limit_s)
        except ConnectionClosed as error:
            self.closed = error.rcvd.code if error.rcvd else 1006
            return None
        if isinstance(message, str):
            told: dict[str, Any] = json.loads(message)
            if told["type"] != "alive":
                self.said.append(told)
            return told
        kind, flags, arrived_us = struct.unpack_from(">BBQ", message)
        binary = Binary(kind, bool(flags & 1), arrived_us, message[10:], time.time_ns() // 1000)
        (self.inits if kind == INIT else self.pictures).append(binary)
        return binary

    def until(self, wanted: Callable[[Said], object], limit_s: float = 40.0) -> Said:
        """Return the first message that is wanted."""
        deadline = time.monotonic() + limit_s
        while (left := deadline - time.monotonic()) > 0:
            message = self.next(left)
            assert message is not None, f"closed with {self.closed}; said {self.said}"
            if wanted(message):
                return message
        raise AssertionError(f"waited {limit_s} s in vain; said {self.said}, {len(self.pictures)} pictures")

    def take(self, count: int, limit_s: float = 40.0) -> list[Binary]:
        """Return so many more pictures."""
        before = len(self.pictures)
        self.until(lambda _: len(self.pictures) >= before + count, limit_s)
        return self.pictures[before : before + count]

    def film(self) -> bytes:
        """Return what came as one file: the init segment and every fragment."""
        assert len(self.inits) == 1, "more than one stream"
        return self.inits[0].data + b"".join(one.data for one in self.pictures)

    def close(self) -> None:
        self._open.close()

    def __enter__(self) -> LiveViewer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
