"""Playlists of recordings as HLS players read them (RFC 8216), made from rows alone: no file is opened for one.

A segment is a byte range of a recording's own file, from a key frame to before the next, or a few groups where they are
short. The player's timeline holds what is recorded and nothing else: at a gap it goes on with a discontinuity, and the
wall clock stands at each recording (EXT-X-PROGRAM-DATE-TIME). Pure: a selection in, text out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from vonggac.core.clock import utc
from vonggac.video.archive.footage import Held, Selection, Stretch
from vonggac.video.models import RecordingState
from vonggac.video.mp4 import GroupEntry
from vonggac.video.stream import VIDEO_TIMESCALE

CONTENT_TYPE = "application/vnd.apple.mpegurl"
LONGEST_US = 6 * 3_600_000_000
"""What one playlist may hold: some 20,000 segments."""
SHORTEST_TICKS = VIDEO_TIMESCALE
"""Groups that are shorter go together: a request a second, also of cameras with four key frames a second."""
SEAM_TICKS = VIDEO_TIMESCALE // 10
"""Recordings of a run that lie further apart on the media's clock do not continue each other."""
CLOCK_US = 10_000
"""Where counting durations would be further from the wall clock than this, the playlist tells it anew."""
SETTLED_US = 60_000_000
"""An interval that ended so long ago has all its pictures: what was on its way is on disk, or counted as a gap."""
_LEAST_TARGET_S = 4


class Segment(NamedTuple):
    """What a player fetches at once; a tuple for the same reason as `GroupEntry`."""

    held: Held
    group: int
    """Which of the recording's groups it begins with."""
    offset: int
    size: int
    tick: int
    """Media time at which it begins, since the recording's first picture."""
    ticks: int
    """How long it lasts: to the next segment, where that continues it."""
    seam: bool = False
    """It does not continue what stands before it."""
    shift: int = 0
    """Ticks by which its media time is told later (earlier), so that a playlist's never steps back."""

    @property
    def start_us(self) -> int:
        """When its first picture was taken."""
        return self.held.wall_us(self.tick)

    @property
    def end_us(self) -> int:
        """When its last picture ended."""
        return self.held.wall_us(self.tick + self.ticks)


def grows(to_us: int, now_us: int) -> bool:
    """Return whether pictures of an interval that ends then may still come."""
    return to_us > now_us - SETTLED_US


def segments(selection: Selection, *, growing: bool = False) -> list[Segment]:
    """Return what is played of a selection, in its order: every moment of it is in one of them.

    `growing`: without the last group of a recording that is being written, since more of it may come: what was listed
    once never changes.
    """
    return _joined(selection, _segments_of, growing)


def key_frames(selection: Selection, *, growing: bool = False) -> list[Segment]:
    """Return a segment for each key frame of a selection, which lasts until the next one (`key_frames.segment`)."""
    return _joined(selection, _key_frames_of, growing)


def playlist(listed: Sequence[Segment], *, growing: bool, keys: bool = False, sound: bool = False) -> str:
    """Return a media playlist of at least one segment (RFC 8216 §4).

    `growing`: more may be added at its end and the player asks again. `keys`: the segments are those of `key_frames`.
    `sound`: with the track of sound, where there is one.
    """
    longest = max(one.ticks for one in listed) / VIDEO_TIMESCALE
    target = max(1, math.ceil(longest))
    if growing:
        # It may never change (§6.2.1), and a longer group may come.
        target = 1 << math.ceil(math.log2(max(_LEAST_TARGET_S, target)))
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{target}",
        f"#EXT-X-PLAYLIST-TYPE:{'EVENT' if growing else 'VOD'}",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    held: Held | None = None
    key, clock_us = 0, 0
    query = address = ""
    for one in listed:
        start_us = one.start_us
        if one.seam and held is not None:
            lines.append("#EXT-X-DISCONTINUITY")
        begins = one.held is not held
        if begins:
            held, key = one.held, one.held.recording.id
            asked = [f"shift={one.shift}"] * (one.shift != 0) + ["sound=1"] * (sound and not keys)
            query = "?" + "&".join(asked) if asked else ""
            address = f"recording/{key}.mp4{query}"
            # Parameter sets stand in the files alone, so each file's own head goes with its pictures.
            lines.append(f'#EXT-X-MAP:URI="{address}",BYTERANGE="{held.recording.init_size}@0"')
        if begins or abs(start_us - clock_us) > CLOCK_US:
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{_moment(start_us)}")
            clock_us = start_us
        lines.append(f"#EXTINF:{one.ticks / VIDEO_TIMESCALE:.6f},")
        if keys:
            lines.append(f"key/{key}/{one.group}.m4s{query}")
        else:
            lines.append(f"#EXT-X-BYTERANGE:{one.size}@{one.offset}")
            lines.append(address)
        clock_us += one.ticks * 1_000_000 // VIDEO_TIMESCALE
    if not growing:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def master(listed: Sequence[Segment], query: str, *, sound: bool) -> str:
    """Return a playlist of one playlist, which says its codecs, pictures' size and bit rates (§4.3.4.2).

    `query`: what follows the `?` in the address of that playlist.
    """
    rows = list({one.held.recording.id: one.held.recording for one in listed}.values())
    codecs = sorted({row.codec for row in rows}) + (sorted({row.audio for row in rows} - {""}) if sound else [])
    largest = max(rows, key=lambda row: row.width * row.height)
    fastest = max(one.size * 8 * VIDEO_TIMESCALE // max(1, one.ticks) for one in listed)
    whole = sum(one.size for one in listed) * 8 * VIDEO_TIMESCALE // max(1, sum(one.ticks for one in listed))
    said = f'CODECS="{",".join(codecs)}",RESOLUTION={largest.width}x{largest.height}'
    return (
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n"
        f"#EXT-X-STREAM-INF:BANDWIDTH={fastest},AVERAGE-BANDWIDTH={whole},{said}\nplaylist.m3u8?{query}\n"
    )


def _joined(selection: Selection, cut: Callable[[Stretch], Iterator[Segment]], growing: bool) -> list[Segment]:
    found: list[Segment] = []
    for stretch in selection.stretches:
        mine = list(cut(stretch))
        if growing and mine and _is_being_written(stretch):
            del mine[-1]
        if not mine:
            continue
        shift = 0
        if found:
            last = found[-1]
            if _continues((last.held, last.tick + last.ticks), stretch.held, mine[0].tick):
                mine[0] = mine[0]._replace(seam=False)
                shift = last.shift
            else:
                shift = _shift(found[0], last, mine[0])
        found += [one._replace(shift=shift) for one in mine] if shift else mine
    return found


def _shift(first: Segment, last: Segment, next_one: Segment) -> int:
    """Return the shift that lets media time pass over a seam as the wall clock did, and never back."""
    since_us = next_one.start_us - first.start_us
    by_the_wall = first.held.recording.media_start + first.tick + since_us * VIDEO_TIMESCALE // 1_000_000
    ended = last.held.recording.media_start + last.tick + last.ticks + last.shift
    return max(by_the_wall, ended) - next_one.held.recording.media_start - next_one.tick


def _segments_of(stretch: Stretch) -> Iterator[Segment]:
    """Yield what is fetched at once; made only when its end is known, since an hour has 1,800 of them."""
    held = stretch.held
    begun: tuple[int, int, int, bool] | None = None  # its group, offset, tick, seam
    end = until = 0
    for place, (group, tick) in enumerate(_timed(stretch), stretch.first_group):
        apart = group.offset != end or (begun is not None and tick - until > SEAM_TICKS)
        if begun is not None:
            number, offset, first, seam = begun
            if apart:
                yield Segment(held, number, offset, end - offset, first, until - first, seam)
                begun = None
            elif group.key and tick - first >= SHORTEST_TICKS:
                yield Segment(held, number, offset, end - offset, first, tick - first, seam)
                begun = (place, group.offset, tick, False)
        if begun is None and group.key:  # what stands without its key frame is left out
            begun = (place, group.offset, tick, True)
        end, until = group.offset + group.size, tick + group.duration_ticks
    if begun is not None:
        number, offset, first, seam = begun
        yield Segment(held, number, offset, end - offset, first, until - first, seam)


def _key_frames_of(stretch: Stretch) -> Iterator[Segment]:
    begun: Segment | None = None
    end = 0
    for place, (group, tick) in enumerate(_timed(stretch), stretch.first_group):
        if group.key:
            if begun is not None:
                yield begun._replace(ticks=tick - begun.tick)
            begun = Segment(stretch.held, place, group.offset, group.size, tick, 0, begun is None)
        end = tick + group.duration_ticks
    if begun is not None:
        yield begun._replace(ticks=end - begun.tick)


def _timed(stretch: Stretch) -> Iterator[tuple[GroupEntry, int]]:
    """Yield each group with its media time since the recording's first picture."""
    tick = stretch.first_tick - stretch.groups[0].pause_ticks
    for group in stretch.groups:
        tick += group.pause_ticks
        yield group, tick
        tick += group.duration_ticks


def _is_being_written(stretch: Stretch) -> bool:
    *_, (last, tick) = _timed(stretch)
    held = stretch.held
    return held.recording.state == RecordingState.OPEN and tick + last.duration_ticks >= held.media_duration


def _continues(before: tuple[Held, int], held: Held, tick: int) -> bool:
    last, row = before[0].recording, held.recording
    if (last.run, last.codec, last.audio, last.width, last.height) != (
        row.run, row.codec, row.audio, row.width, row.height,
    ):  # fmt: skip
        return False
    apart = row.media_start + tick - last.media_start - before[1]
    return abs(apart) <= SEAM_TICKS


def _moment(us: int) -> str:
    return utc(us).isoformat(timespec="microseconds").replace("+00:00", "Z")
