"""Key frames decoded here, for browsers that cannot: at most one a second of each camera, and one at a time in all.

Decoding takes 5 to 100 ms of a core. Where there is more to decode than one thread can do, every camera's pictures come
less often; those of cameras that browsers decode themselves are not touched by it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from vonggac.core.log import RateLimit, get_logger
from vonggac.video import stills
from vonggac.video.live_client import LivePicture
from vonggac.video.stills import StillError
from vonggac.video.stream import VideoParameters
from vonggac.web.live.channel import Channel

EVERY_S = 1.0
WIDTH = 1280
"""Of the pictures that go out; smaller ones stay as they are."""

Decode = Callable[[VideoParameters, bytes, int], bytes]


class KeyFrames:
    """Decodes what is wanted. `offer` takes a key frame, `channel.show` gets the picture."""

    def __init__(self, decode: Decode = stills.jpeg_of) -> None:
        self.decoded = 0
        self._decode = decode
        self._newest: dict[Channel, LivePicture] = {}
        self._working: dict[Channel, asyncio.Task[None]] = {}
        # One thread: recording comes first. It is not made before it is needed.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="decoding")
        self._limit = RateLimit()

    def offer(self, channel: Channel, picture: LivePicture) -> None:
        """Have a key frame decoded, unless a newer one comes before its turn."""
        self._newest[channel] = picture
        if channel not in self._working:
            task = asyncio.create_task(self._work(channel), name="key frames")
            self._working[channel] = task
            task.add_done_callback(lambda _task: self._working.pop(channel, None))

    def close(self) -> None:
        """Stop at once."""
        for task in list(self._working.values()):
            task.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _work(self, channel: Channel) -> None:
        loop = asyncio.get_running_loop()
        while (picture := self._newest.pop(channel, None)) is not None:
            began_s = time.monotonic()
            try:
                jpeg = await loop.run_in_executor(
                    self._thread,
                    self._decode,
                    picture.parameters,
                    picture.data,
                    min(WIDTH, picture.parameters.width & ~1),
                )
            except StillError as error:
                if (held_back := self._limit.passes(channel.camera_id)) is not None:
                    get_logger().warning(
                        "A live key frame cannot be decoded",
                        camera=channel.camera_id.hex,
                        reason=str(error),
                        held_back=held_back,
                    )
            else:
                self.decoded += 1
                channel.show(picture.arrived_us, jpeg, time.monotonic())
            await asyncio.sleep(max(0.0, began_s + EVERY_S - time.monotonic()))
