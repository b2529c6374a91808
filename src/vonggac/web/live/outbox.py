"""What waits for one viewer: bounded, and never in the way of another.

A viewer who does not take what is sent to him skips to the next key frame: he sees the present in jumps, not the past
in order. No I/O: the session takes things out and sends them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from vonggac.web.live.away import Away
from vonggac.web.live.fragments import Packet, Stream

BEHIND_S = 2.0
"""A viewer for whom something has been waiting for so long is behind."""
WAITING_BYTES = 6 << 20
"""More never waits for one viewer: a little more than the group that he is given at once."""
ALL_WAITING_BYTES = 256 << 20
"""More never waits for all viewers of this process together. What they share is counted for each of them."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The stream that was asked for cannot be had; another may be."""

    reason: str


@dataclass(frozen=True, slots=True)
class Jpeg:
    """The message of a picture that was decoded here; a newer one takes the place of one that waits."""

    message: bytes = field(repr=False)


Item = Stream | Packet | Jpeg | Away | Refused


class Budget:
    """What waits for all viewers together."""

    def __init__(self, most: int = ALL_WAITING_BYTES) -> None:
        self._most = most
        self.waiting = 0
        self.skips = 0
        """How often a viewer was behind."""
        self._boxes: set[Outbox] = set()

    def enter(self, box: Outbox) -> None:
        """Count a viewer."""
        self._boxes.add(box)

    def leave(self, box: Outbox) -> None:
        """Count him no more."""
        self._boxes.discard(box)

    def make_room(self) -> None:
        """Let whoever has most waiting skip, until all together have no more than they may."""
        while self.waiting > self._most:
            max(self._boxes, key=lambda box: box.waiting).skip()


class Outbox:
    """One viewer's."""

    def __init__(self, budget: Budget, wake: Callable[[], None], *, keys_only: bool = False) -> None:
        """`wake` is called when there is something to take. `keys_only`: of the pictures only key frames."""
        self.waiting = 0
        """Bytes of pictures."""
        self._budget = budget
        self._wake = wake
        self._keys_only = keys_only
        self._items: deque[tuple[Item, float]] = deque()
        self._announced: Stream | None = None
        """The stream of the pictures that he will be given next."""
        self._told: Stream | None = None
        """The one that was last taken out of here."""
        self._skipping = True  # nothing can be decoded before a key frame
        self._led = True
        """Whether the last key frame is the first that he got: what leads it cannot be decoded."""
        budget.enter(self)

    def put(self, packet: Packet, now_s: float) -> None:
        """Hand a picture over. `now_s`: the monotonic clock."""
        if packet.key:
            self._led = self._skipping
        elif self._skipping or self._keys_only or (self._led and packet.leading):
            return  # of no use to him
        while self.waiting and (self._behind(now_s) or self.waiting + len(packet.message) > WAITING_BYTES):
            self.skip()
        if self._skipping:
            if not packet.key:
                return
            self._led = True
        self._skipping = False
        self._append(packet, now_s)
        self._budget.make_room()

    def show(self, jpeg: Jpeg, now_s: float) -> None:
        """Hand over a picture that was decoded here."""
        self._items = deque(entry for entry in self._items if not isinstance(entry[0], Jpeg))
        self._add(jpeg, now_s)

    def say(self, item: Away | Refused, now_s: float) -> None:
        """Hand over news; older news that still waits is no longer true."""
        self._items = deque(entry for entry in self._items if not isinstance(entry[0], Away | Refused))
        self._add(item, now_s)
        if isinstance(item, Away):
            self._announced = self._told = None  # pictures come back with a stream of their own
            self._skipping = True

    def skip(self) -> None:
        """Throw away what waits up to the newest key frame; where that is the first, all, and wait for the next one."""
        self._budget.skips += 1
        pictures = [entry for entry in self._items if isinstance(entry[0], Packet)]
        newest = max((at for at, (item, _) in enumerate(pictures) if isinstance(item, Packet) and item.key), default=0)
        self._clear()
        self._announced, self._skipping = self._told, True
        for item, since_s in pictures[newest:] if newest else ():
            assert isinstance(item, Packet)
            if not item.leading:  # what led the key frame cannot be decoded any more
                self._skipping, self._led = False, True
                self._append(item, since_s)

    def wait_for_key(self) -> None:
        """Take no more pictures up to the next key frame."""
        self._skipping = True

    def take(self) -> Item | None:
        """Return the next thing to send; None when there is nothing."""
        if not self._items:
            return None
        item, _ = self._items.popleft()
        if isinstance(item, Packet):
            self._spend(item)
        elif isinstance(item, Stream):
            self._told = item
        return item

    def first(self) -> Item | None:
        """Return what would be taken next, and leave it."""
        return self._items[0][0] if self._items else None

    def close(self) -> None:
        """Throw away what waits: the viewer is gone."""
        self._clear()
        self._budget.leave(self)

    def _append(self, packet: Packet, now_s: float) -> None:
        if packet.stream is not self._announced:
            self._announced = packet.stream
            self._add(packet.stream, now_s)
        self._add(packet, now_s)
        self.waiting += len(packet.message)
        self._budget.waiting += len(packet.message)

    def _add(self, item: Item, now_s: float) -> None:
        self._items.append((item, now_s))
        self._wake()

    def _behind(self, now_s: float) -> bool:
        return bool(self._items) and now_s - self._items[0][1] > BEHIND_S

    def _clear(self) -> None:
        kept: deque[tuple[Item, float]] = deque()
        for item, since_s in self._items:
            if isinstance(item, Packet):
                self._spend(item)
            elif not isinstance(item, Stream):
                kept.append((item, since_s))
        self._items = kept

    def _spend(self, packet: Packet) -> None:
        self.waiting -= len(packet.message)
        self._budget.waiting -= len(packet.message)
