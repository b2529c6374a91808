"""Viewers of live pictures before the pages, in a process of their own.

    python -m bench.live_viewers together ADDRESS CAMERA SOCKETS     cookie in VONGGAC_COOKIE
    python -m bench.live_viewers open ADDRESS CAMERA...

`together` opens so many sockets of one camera, prints `watching` once each has a picture, and when its standard input
closes one line of JSON: of every picture on every socket the milliseconds from its arrival at the recorder to its being
read here. `open` opens a tile of each camera after the other and prints the milliseconds to the first picture.
"""

from __future__ import annotations

import asyncio
import json
import os
import struct
import sys
import time

import uvloop
from websockets.asyncio.client import ClientConnection, connect

FRAGMENT = 2
_TIMEOUT_S = 30.0


def opening(address: str, camera: str) -> connect:
    """Return a connection that can be entered."""
    host = address.removeprefix("http://")
    headers = {"cookie": os.environ["VONGGAC_COOKIE"]}
    return connect(f"ws://{host}/live/{camera}?h265=1", additional_headers=headers, compression=None, max_size=32 << 20)


async def picture(socket: ClientConnection) -> int:
    """Return when the next picture arrived at the recorder (microseconds since 1970)."""
    while True:
        message = await socket.recv(decode=False)
        if message[0] == FRAGMENT:
            arrived_us: int = struct.unpack_from(">Q", message, 2)[0]
            return arrived_us


async def together(address: str, camera: str, sockets: int) -> None:
    """Watch one camera many times."""
    late_ms: list[float] = []
    ready = [asyncio.Event() for _ in range(sockets)]
    counting = False

    async def watch(first: asyncio.Event) -> None:
        async with opening(address, camera) as socket:
            while True:
                arrived_us = await picture(socket)
                first.set()
                if counting:
                    late_ms.append(time.time_ns() / 1e6 - arrived_us / 1e3)

    tasks = [asyncio.create_task(watch(first)) for first in ready]
    await asyncio.gather(*(first.wait() for first in ready))
    await asyncio.sleep(2)  # what came at once was not of this moment
    counting = True
    print("watching", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    ended = sum(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    print(json.dumps({"late_ms": sorted(round(one, 3) for one in late_ms), "ended": ended}), flush=True)


async def openings(address: str, cameras: list[str]) -> None:
    """Open one tile after the other."""
    took_ms = []
    for camera in cameras:
        began = time.perf_counter()
        async with asyncio.timeout(_TIMEOUT_S), opening(address, camera) as socket:
            await picture(socket)
            took_ms.append(round((time.perf_counter() - began) * 1e3, 3))
    print(json.dumps({"first_ms": took_ms}), flush=True)


def main() -> None:
    """Do as the arguments say."""
    how, address, *rest = sys.argv[1:]
    uvloop.run(together(address, rest[0], int(rest[1])) if how == "together" else openings(address, rest))


if __name__ == "__main__":
    main()
