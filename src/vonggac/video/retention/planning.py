"""What is deleted next: a plan from what is there, without I/O.

Order: what is older than its camera's maximum; then, while space is wanted, first the camera furthest past its
minimum, which ends in deleting below it. What is held is never in a plan.
"""

from __future__ import annotations

import enum
import heapq
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from vonggac.video.archive.holds import is_held
from vonggac.video.spans import Span

DAY_US = 86_400_000_000
LEAST_MARGIN = 64_000_000
_MARGIN_SHARE = 10
"""A margin of more than a tenth of the disks would be a waste of them."""


class Rank(enum.IntEnum):
    """Why a recording is deleted."""

    PAST_MAXIMUM = 0
    PAST_MINIMUM = 1
    BELOW_MINIMUM = 2
    """Younger than its camera's minimum: an alarm."""


@dataclass(frozen=True, slots=True)
class Days:
    """How long recordings of a camera are kept. The minimum wins where a maximum contradicts it."""

    minimum: int
    maximum: int
    """0: none."""

    @classmethod
    def of(cls, own: tuple[int | None, int | None], centre: tuple[int, int]) -> Days:
        """Return a camera's days, (minimum, maximum); what it does not say is the centre's."""
        minimum, maximum = (given if given is not None else default for given, default in zip(own, centre, strict=True))
        return cls(minimum, max(minimum, maximum) if maximum else 0)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A complete recording that might be deleted."""

    id: int
    camera_id: uuid.UUID
    volume_id: uuid.UUID
    start_us: int
    end_us: int
    size: int


@dataclass(frozen=True, slots=True)
class Queue:
    """A camera's recordings, oldest first, as far as somebody asks for them."""

    days: Days
    held: Sequence[Span]
    candidates: Iterator[Candidate]


@dataclass(frozen=True, slots=True)
class Deletion:
    """What is deleted, and why."""

    candidate: Candidate
    rank: Rank


def past_maximum(queues: Iterable[Queue], now_us: int) -> Iterator[Deletion]:
    """Yield every recording that is older than its camera's maximum, first of the camera furthest past it."""
    limited = [queue for queue in queues if queue.days.maximum]
    for past_us, candidate in _furthest_first(limited, now_us, lambda days: days.maximum):
        if past_us < 0:
            return
        yield Deletion(candidate, Rank.PAST_MAXIMUM)


def for_space(queues: Iterable[Queue], now_us: int, spare: Mapping[uuid.UUID, int], margin: int) -> Iterator[Deletion]:
    """Yield what must go until there is room for `margin` bytes, first of the camera furthest past its minimum.

    `spare`: of each volume that takes recordings, the bytes free above the reserve, less than 0 where the reserve is
    eaten into. What lies on other volumes would free no room and is left alone.
    """
    left = dict(spare)
    order = _furthest_first(queues, now_us, lambda days: days.minimum)
    while room(left) < margin:
        found = next(order, None)
        if found is None:
            return
        past_us, candidate = found
        if candidate.volume_id not in left:
            continue
        left[candidate.volume_id] += candidate.size
        yield Deletion(candidate, Rank.PAST_MINIMUM if past_us >= 0 else Rank.BELOW_MINIMUM)


def room(spare: Mapping[uuid.UUID, int]) -> int:
    """Return the bytes that may be recorded: recording leaves a volume whose reserve is reached for the others."""
    return sum(max(0, one) for one in spare.values())


def margin(bytes_per_s: float, minutes: int, total: int) -> int:
    """Return the room below which deletion begins: so many minutes of recording, within reason.

    `total`: the size of the disks in bytes.
    """
    return min(max(int(bytes_per_s * 60 * minutes), LEAST_MARGIN), max(total // _MARGIN_SHARE, 1))


def _furthest_first(
    queues: Iterable[Queue], now_us: int, days_of: Callable[[Days], int]
) -> Iterator[tuple[int, Candidate]]:
    """Yield (microseconds past its days, candidate), the furthest first; what is held is left out."""
    heap: list[tuple[int, int, Candidate, Queue]] = []

    def push(place: int, queue: Queue) -> None:
        for candidate in queue.candidates:
            if not is_held(queue.held, candidate.start_us, candidate.end_us):
                past_us = now_us - candidate.end_us - days_of(queue.days) * DAY_US
                heapq.heappush(heap, (-past_us, place, candidate, queue))
                return

    for place, queue in enumerate(queues):
        push(place, queue)
    while heap:
        past_us, place, candidate, queue = heapq.heappop(heap)
        yield -past_us, candidate
        push(place, queue)
