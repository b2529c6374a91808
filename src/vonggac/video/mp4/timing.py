"""When each picture is decoded and how long it lasts, from when it is shown.

RTP says when a picture is shown, MP4 wants when it is decoded. The pictures of a group, sorted by the time they are
shown, give the decode times: one picture is decoded whenever one is shown, only earlier by the reorder delay. In the
file everything is that delay later instead (decode times are never negative) and the edit list takes it off again.

Cameras stamp two pictures alike, or one a little before the last. Such times are moved by as little as possible, in
sum, and counted; a duration is never 0, negative or too large for its field. All times are ticks of 90 kHz.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from operator import sub

from vonggac.video.stream import VIDEO_TIMESCALE, VideoParameters

DEFAULT_DURATION = VIDEO_TIMESCALE // 15
"""How long a picture lasts where nothing says so: 15 pictures a second, the district's most common setting."""
MAX_DURATION = (1 << 31) - 1
"""6.6 hours: what also players that read the 32-bit field as signed understand."""
MAX_SPAN = 1 << 28
"""50 minutes: pictures of one fragment are drawn together to it, and no reorder delay reaches it, so that every offset
fits its signed 32 bits. Real ones span seconds; a jump of the camera's clock begins a new run before it comes here."""


@dataclass(frozen=True, slots=True)
class FragmentTiming:
    """The times of one fragment's samples, in decoding order, as the file has them."""

    base_decode_time: int
    """Decode time of the first sample. Without oddities: when the first picture is shown."""
    durations: list[int]
    offsets: list[int] | None
    """Composition minus decode time of each sample; None: all 0. Negative where the camera reorders more than the
    delay allows for."""
    end: int
    """Decode time at which the next fragment may begin."""
    moved: int = 0
    """How many pictures show at another time than the camera said."""


def nominal_duration(parameters: VideoParameters) -> int:
    """Return how long a picture lasts by what the camera declares, in ticks; DEFAULT_DURATION where it does not."""
    fps = parameters.declared_fps
    return max(1, round(VIDEO_TIMESCALE / fps)) if fps and fps >= 0.1 else DEFAULT_DURATION


def reorder_delay(pts: Sequence[int], reorder_frames: int | None = None) -> int:
    """Return by how many ticks pictures must be decoded ahead of being shown, so that none comes too late.

    `pts`: presentation times of the run's first group in decoding order. `reorder_frames`: what the camera declares
    (VideoParameters); a declaration counts also where the first group does not use it to the full.
    """
    if reorder_frames == 0 or not pts:
        return 0
    shown = sorted(pts)
    delay: int = max(map(sub, shown, pts))
    if reorder_frames and len(shown) > 1:
        steps = sorted(map(sub, islice(shown, 1, None), shown))
        delay = max(delay, reorder_frames * steps[len(steps) // 2])
    return min(delay, MAX_SPAN - 1)


def decode_times(pts: Sequence[int], delay: int) -> list[int]:
    """Return the decode times of one group's pictures, strictly increasing: when they show, sorted, minus `delay`.

    `pts`: presentation times in decoding order. Equal times are moved apart by as little as possible.
    """
    return [time - delay for time in strictly_increasing(sorted(pts))]


def strictly_increasing(times: Sequence[int], lowest: int | None = None, limit: int | None = None) -> list[int]:
    """Return the strictly increasing numbers that differ least, in sum, from the given ones.

    None is under `lowest`; none reaches `limit` if they fit below it at all.
    """
    # Least absolute deviation, isotonic: with `time - index` strictly increasing becomes not decreasing; a heap holds
    # the bends of the cost so far, and clamping to bounds keeps the result optimal.
    heap: list[int] = []
    best: list[int] = []
    for index, time in enumerate(times):
        value = time - index
        heapq.heappush(heap, -value)
        if -heap[0] > value:
            heapq.heapreplace(heap, -value)
        best.append(-heap[0])
    for index in range(len(best) - 2, -1, -1):
        best[index] = min(best[index], best[index + 1])
    highest = None if limit is None else limit - len(best)
    if highest is not None and lowest is not None and highest < lowest:
        highest = None
    result = []
    for index, value in enumerate(best):
        if lowest is not None and value < lowest:
            value = lowest  # noqa: PLW2901
        if highest is not None and value > highest:
            value = highest  # noqa: PLW2901
        result.append(value + index)
    return result


def time_fragment(
    pts: Sequence[int],
    *,
    delay: int = 0,
    reorder: bool = False,
    earliest: int | None = None,
    end: int | None = None,
    nominal: int = DEFAULT_DURATION,
    clean: bool = True,
) -> FragmentTiming:
    """Return decode time, durations and offsets of the pictures of one fragment.

    `pts`: when each is shown, media time in ticks (at least 0), in decoding order, at least one. `delay`: the run's
    reorder delay, as in its init segment. `reorder`: pictures may be shown in another order than they are decoded; if
    not, a time that steps back is the camera's mistake. `earliest`: the `end` of the fragment before. `end`: when the
    first picture of the next fragment shows; None: unknown, the last picture then lasts as long as the one before it,
    or `nominal`. `clean`: False where pictures of the neighbouring fragments show between these (a cut in mid-group).
    """
    if not pts or not 0 <= delay < MAX_SPAN:
        raise ValueError(f"no times can be made for {len(pts)} pictures and a delay of {delay}")
    if not reorder and not delay:
        durations = list(map(sub, islice(pts, 1, None), pts))
        first, last = pts[0], pts[-1]
        durations.append(end - last if end is not None else durations[-1] if durations else nominal)
        if min(durations) > 0 and max(durations) <= MAX_DURATION and first >= (earliest or 0):
            return FragmentTiming(first, durations, None, last + durations[-1])
    return _mend(pts, delay, reorder, max(0, earliest or 0), end, nominal, clean)


def _mend(
    pts: Sequence[int], delay: int, reorder: bool, earliest: int, end: int | None, nominal: int, clean: bool
) -> FragmentTiming:
    """The general case: pictures out of order, times that repeat or step back, steps too large for their field."""
    count = len(pts)
    order = sorted(range(count), key=pts.__getitem__) if reorder else range(count)
    # A decode time must lie between the neighbours; a presentation time only if theirs do not show in between.
    slack = 0 if clean or not reorder else MAX_SPAN
    shown = _within(
        [pts[index] for index in order], max(0, earliest - slack), None if end is None else end + slack, MAX_SPAN
    )
    presented = [0] * count
    for index, time in zip(order, shown, strict=True):
        presented[index] = time
    decoded = _within(shown, earliest, end, MAX_SPAN)
    durations = list(map(sub, islice(decoded, 1, None), decoded))
    usual = shown[-1] - shown[-2] if count > 1 else nominal
    last = usual if end is None else end - decoded[-1]
    durations.append(min(max(last, 1), MAX_DURATION))
    offsets = [time + delay - at for time, at in zip(presented, decoded, strict=True)]
    return FragmentTiming(
        decoded[0],
        durations,
        offsets if any(offsets) else None,
        decoded[-1] + durations[-1],
        sum(map(int.__ne__, presented, pts)),
    )


def _within(times: list[int], lowest: int, limit: int | None, span: int) -> list[int]:
    """Return the times, mended where they do not increase, leave their bounds or spread further than `span`."""
    steps = map(sub, islice(times, 1, None), times)
    if times[0] < lowest or (limit is not None and times[-1] >= limit) or min(steps, default=1) <= 0:
        times = strictly_increasing(times, lowest, limit)
    if times[-1] - times[0] >= span:
        times = strictly_increasing(times, times[0], times[0] + span)
    return times
