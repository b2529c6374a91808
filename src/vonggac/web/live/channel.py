"""One camera's stream as this process has it: the current group, and whoever watches. No I/O."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from vonggac.video import live_client
from vonggac.video.live_client import LivePicture
from vonggac.video.mp4 import UnusableParameters
from vonggac.web.live import away
from vonggac.web.live.away import Away
from vonggac.web.live.fragments import Fragmenter, Packet, jpeg_message
from vonggac.web.live.outbox import Jpeg, Outbox, Refused

CACHED_BYTES = 4 << 20
"""Of a longer group only the key frame is kept: who comes later sees it until the next one."""


class Channel:
    """The pictures of one stream of one camera, made ready once and shared by all its viewers."""

    def __init__(
        self, camera_id: uuid.UUID, name: live_client.Stream, on_key_frame: Callable[[Channel, LivePicture], None]
    ) -> None:
        """`on_key_frame` is told of those that somebody wants decoded here."""
        self.camera_id = camera_id
        self.name = name
        self.away: Away | None = None
        """Why no picture comes; None while some do, and before that is known."""
        self.refused: Refused | None = None
        self.pictures = 0
        self.arrived_us = 0
        """When the last picture reached its recorder."""
        self._on_key_frame = on_key_frame
        self._fragmenter = Fragmenter(name)
        self._group: list[Packet] = []
        self._bytes = 0
        self._whole = True
        self._boxes: set[Outbox] = set()
        self._looking: set[Outbox] = set()
        """Those of viewers who get pictures that were decoded here."""
        self._key_frame: LivePicture | None = None
        self._jpeg: Jpeg | None = None

    @property
    def viewers(self) -> int:
        """How many watch."""
        return len(self._boxes) + len(self._looking)

    def push(self, picture: LivePicture, now_s: float) -> None:
        """Take the next picture in decoding order. `now_s`: the monotonic clock."""
        try:
            packet = self._fragmenter.push(picture)
        except UnusableParameters:
            self.lose(away.unsupported(picture.arrived_us), now_s)
            return
        if packet is None:
            return
        self.away = self.refused = None
        self.pictures += 1
        self.arrived_us = picture.arrived_us
        self._keep(packet)
        for box in self._boxes:
            box.put(packet, now_s)
        if picture.key:
            self._key_frame = picture
            if self._looking:
                self._on_key_frame(self, picture)
            else:
                self._jpeg = None  # whoever looks next is not shown what was long ago

    def show(self, arrived_us: int, jpeg: bytes, now_s: float) -> None:
        """Hand out a key frame that was decoded here."""
        if self.away is not None:
            return
        self._jpeg = Jpeg(jpeg_message(arrived_us, jpeg))
        for box in self._looking:
            box.show(self._jpeg, now_s)

    def seam(self) -> None:
        """What comes next does not follow what came (the recorder was asked anew)."""
        self._fragmenter.seam()
        self._group = []
        self._bytes = 0

    def lose(self, why: Away, now_s: float) -> None:
        """No picture comes; said once for as long as the reason stays the same."""
        if self.away is not None and self.away.reason == why.reason:
            return
        self.seam()
        self._key_frame = self._jpeg = None
        self.away = why
        for box in (*self._boxes, *self._looking):
            box.say(why, now_s)

    def refuse(self, reason: str, now_s: float) -> None:
        """The stream cannot be had."""
        self.seam()
        self.refused = Refused(reason)
        for box in (*self._boxes, *self._looking):
            box.say(self.refused, now_s)

    def watch(self, box: Outbox, now_s: float) -> None:
        """Add a viewer: he gets the pictures since the last key frame at once."""
        self._boxes.add(box)
        self._tell(box, now_s)
        for packet in self._group:
            box.put(packet, now_s)
        if not self._whole:
            box.wait_for_key()

    def look(self, box: Outbox, now_s: float) -> None:
        """Add a viewer whose pictures are decoded here: he gets the last one at once."""
        self._looking.add(box)
        self._tell(box, now_s)
        if self._jpeg is not None:
            box.show(self._jpeg, now_s)
        if self._key_frame is not None:
            self._on_key_frame(self, self._key_frame)

    def leave(self, box: Outbox) -> None:
        """Take a viewer away."""
        self._boxes.discard(box)
        self._looking.discard(box)
        box.close()

    def _tell(self, box: Outbox, now_s: float) -> None:
        if (news := self.refused or self.away) is not None:
            box.say(news, now_s)

    def _keep(self, packet: Packet) -> None:
        if packet.key:
            self._group = [packet]
            self._bytes = len(packet.message)
            self._whole = True
        elif self._group and self._whole:
            self._bytes += len(packet.message)
            if self._bytes <= CACHED_BYTES:
                self._group.append(packet)
            else:
                del self._group[1:]
                self._whole = False
