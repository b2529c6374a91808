"""Yesterday and today of a demonstration: what its first cameras recorded before anybody started it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.cameras.models import Camera
from vonggac.core.clock import MICROSECONDS, microseconds, utc
from vonggac.core.database import Database
from vonggac.sim import district, passes
from vonggac.sim.clips import Clip, Footage, load_folder
from vonggac.sim.demo_registry import HOST
from vonggac.sim.loops import QUALITY, Loop, small_loop, whole_seconds
from vonggac.sim.past import PastCamera, Written, write_past
from vonggac.sim.plates import fleet
from vonggac.sim.scenes.gate import PASS_S
from vonggac.sim.scenes.render import PassOf, scenes_footage
from vonggac.video import index, volumes
from vonggac.video.index import Interval
from vonggac.video.models import GapReason

CAMERAS = 9
"""As many as are watched in step on the playback page."""
AT_LEAST_US = 3600 * MICROSECONDS
"""A camera whose last recording is younger needs no made-up past."""
BYTES_A_SECOND = 2600
"""About what a camera's small loop takes; more than most do."""
_KEPT_FREE = 4
"""So many times the space must be free."""

GATE = "gate"
EMPTY_S, VEHICLES_A_LOOP = 10, 3
"""Before a plate camera the lane is empty for so long before each vehicle; so many pass before it begins again."""
GATE_QUALITY = 29
"""Little moves there, so a better picture costs little."""

_Outage = tuple[int, str, int, GapReason, str]
"""Place of the camera, local time of day, seconds, reason, what the recorder would have noted."""
OUTAGES: Sequence[_Outage] = (
    (1, "03:12:05", 41, GapReason.CLOSED, "Its connection ended in the middle of a packet."),
    (2, "07:48:30", 12, GapReason.LOSS, "packets were lost; on at the next key frame"),
    (2, "17:21:10", 18, GapReason.LOSS, "packets were lost; on at the next key frame"),
    (4, "12:41:10", 503, GapReason.TIMED_OUT, "It takes our connection and then does not answer DESCRIBE (10 s)."),
    (6, "21:05:00", 1320, GapReason.REFUSED, "Its port refuses the connection: is RTSP switched on?"),
    (7, "09:30:12", 65, GapReason.STALLED, "Connected and playing, but no picture has come for 4 s."),
)
"""What happens to cameras of a district in a day: one of each sort that an officer meets."""
STOPPED_AT, STOPPED_S = "02:00:00", 30
"""Every night somebody brings the programs up to date, and the recorder stops for a moment."""


@dataclass(frozen=True, slots=True)
class _Needed:
    """A camera whose past is missing, from when on."""

    camera_id: uuid.UUID
    number: int
    folder: str
    place: int
    from_us: int


def make_past(
    database: Database,
    places: Sequence[district.CameraPlace],
    clips: Path | None,
    zone: ZoneInfo,
    now_us: int,
    say: Callable[[str], None],
) -> Written | None:
    """Record what the first nine cameras saw since yesterday 00:00; None where nothing is missing, or no room is.

    Only what comes after a camera's last recording, and only where that is more than an hour ago: a demonstration that
    ran yesterday keeps what it recorded. Must be done while no recorder runs.
    """
    today = utc(now_us).astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    from_us = microseconds(today - timedelta(days=1))
    with database.read() as session:
        needed = _needed(session, places, from_us, now_us)
        mounted, _ = volumes.mounted(session)
    if not needed or not mounted:
        return None
    volume = mounted[0]
    seconds = sum(now_us - one.from_us for one in needed) // MICROSECONDS
    if volume.free_bytes() < _KEPT_FREE * BYTES_A_SECOND * seconds:
        say(f"No recordings of yesterday are made up: there is too little room in {volume.path}.")
        return None
    say(f"Making up what {len(needed)} cameras recorded since yesterday.")
    scenes = [places[one.place].scene for one in needed]
    loops = _loops([one.place for one in needed], scenes, clips)
    cameras = [
        PastCamera(
            one.camera_id, one.number, one.folder, loop, one.from_us, outages(one.place, one.from_us, now_us, zone)
        )
        for one, loop in zip(needed, loops, strict=True)
    ]
    return write_past(database, volume, cameras, now_us)


def outages(place: int, from_us: int, to_us: int, zone: ZoneInfo) -> list[Interval]:
    """Return when a camera was away between two moments, in order."""
    found: list[Interval] = []
    day = utc(from_us).astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    while microseconds(day) < to_us:
        every = [(STOPPED_AT, STOPPED_S, GapReason.STOPPED, "the recorder was stopped")]
        every += [(at, seconds, reason, words) for where, at, seconds, reason, words in OUTAGES if where == place]
        for at, seconds, reason, words in every:
            clock = datetime.strptime(at, "%H:%M:%S")  # noqa: DTZ007 (a time of day)
            start = day.replace(hour=clock.hour, minute=clock.minute, second=clock.second)
            start_us = microseconds(start)
            end_us = start_us + seconds * MICROSECONDS
            if from_us < start_us and end_us < to_us:
                found.append(Interval(start_us, end_us, reason, words))
        day += timedelta(days=1)
    return sorted(found, key=lambda gap: gap.start_us)


def _needed(session: Session, places: Sequence[district.CameraPlace], from_us: int, now_us: int) -> list[_Needed]:
    found: list[_Needed] = []
    query = sa.select(Camera).where(Camera.removed_at.is_(None), Camera.url.startswith(f"rtsp://{HOST}:"))
    simulated = {urlsplit(camera.url).path: camera for camera in session.scalars(query)}
    for place, one in enumerate(places[:CAMERAS]):
        if (camera := simulated.get(one.path)) is None:
            continue
        since_us = max(from_us, index.last_recorded(session, camera.id) or 0)
        if now_us - since_us > AT_LEAST_US:
            found.append(_Needed(camera.id, camera.number, camera.folder, place, since_us))
    return found


def _loops(places: Sequence[int], scenes: Sequence[str], clips: Path | None) -> list[Loop]:
    """Return what each camera showed. Scenes are in the cache, since the simulator drew them."""
    shown: dict[object, list[tuple[Clip, int]]] = {}
    keys: list[object] = []
    if clips is not None:
        every = [_small(footage) for footage in load_folder(clips).values()]
        for place in places:
            clip = every[place % len(every)]
            keys.append(clip.name)
            shown[clip.name] = [(clip, whole_seconds(clip))]
    else:
        traffic = [PassOf(vehicle, vehicle.number % 2 == 0) for vehicle in fleet(passes.SEED, passes.VEHICLES)]
        footage = scenes_footage(tuple(dict.fromkeys(scenes)), passes=traffic if GATE in scenes else ())
        for place, scene in zip(places, scenes, strict=True):
            clip = _small(footage[scene])
            keys.append((scene, place) if scene == GATE else scene)
            shown[keys[-1]] = [(clip, whole_seconds(clip))]
            if scene == GATE:
                seen = [traffic[(place + 7 * turn) % len(traffic)] for turn in range(VEHICLES_A_LOOP)]
                vehicles = [(_small(footage[one.name]), PASS_S) for one in seen]
                shown[keys[-1]] = [part for vehicle in vehicles for part in ((clip, EMPTY_S), vehicle)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        loops = dict(zip(shown, pool.map(_coded, shown.values()), strict=True))
    return [loops[key] for key in keys]


def _coded(parts: Sequence[tuple[Clip, int]]) -> Loop:
    return small_loop(*parts, quality=GATE_QUALITY if len(parts) > 1 else QUALITY)


def _small(footage: Footage) -> Clip:
    return footage.sub or footage.main
