"""Passes of vehicles before the plate cameras: shown in the place of the empty lane, and written to a truth file.

A pass is one group of pictures that was encoded when the scenes were drawn, with the parameter sets of the empty lane.
It takes the place of the group that is due at its time, so that a running simulator only sends packets.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from operator import itemgetter
from pathlib import Path

import msgspec

from vonggac.core.errors import VonggacError
from vonggac.sim import district, journeys
from vonggac.sim.camera import Feed, SimCamera, Substitute
from vonggac.sim.clips import Clip, Footage
from vonggac.sim.district import PLATE_PLACES, CameraPlace
from vonggac.sim.packetise import framed
from vonggac.sim.plates import Vehicle
from vonggac.sim.scenes import gate
from vonggac.video.stream import VIDEO_TIMESCALE

SEED = 2020
VEHICLES = 24
TRUTH_LIMIT = 20 << 20
"""A truth file that has grown to so many bytes is renamed to `.1`, over the one before it, and begun anew."""

GROUP = gate.PASS_S * VIDEO_TIMESCALE
_WRITE_EVERY_S = 0.5
_DAYS_KEPT = 3


class PassRecord(msgspec.Struct, frozen=True):
    """One line of the truth file. `time` is when the plate is largest, or the middle of the pass where none is seen."""

    time: str
    camera: str
    name: str
    plate: str
    vehicle: str
    background: str
    rows: int
    direction: str
    plate_seen: bool


@dataclass(frozen=True, slots=True)
class _Day:
    """A day's passes: by place and group of its camera's pictures, and by the moments of the truth file."""

    shown: Mapping[tuple[str, int], journeys.Pass]
    moments: Sequence[tuple[int, journeys.Pass]]


class Traffic:
    """The passes of all vehicles before those plate cameras that exist. Moments are 90 kHz ticks since 1970."""

    def __init__(
        self,
        seed: int,
        vehicles: Sequence[Vehicle],
        places: Sequence[CameraPlace],
        cameras: Sequence[SimCamera],
        fps: int,
    ) -> None:
        """`fps` is that of the rendered passes."""
        self._seed, self._vehicles, self._fps = seed, vehicles, fps
        everywhere = {PLATE_PLACES[place.name]: place for place in _all_plate_places(places)}
        self._positions = {name: (place.latitude, place.longitude) for name, place in everywhere.items()}
        by_path = {camera.path: camera for camera in cameras}
        self._cameras = {name: by_path[place.path] for name, place in everywhere.items() if place.path in by_path}
        self._days: dict[int, _Day] = {}

    def splice_into(self, feeds: tuple[Feed, Feed | None], footage: Mapping[tuple[int, bool], Footage]) -> None:
        """Let the plate cameras, which all show `feeds`, show the passes. Raises VonggacError when they do not fit."""
        lane, small_lane = feeds
        main = {key: _substitute(lane.track.clip, one.main) for key, one in footage.items()}
        sub = {
            key: _substitute(small_lane.track.clip, one.sub)
            for key, one in footage.items()
            if small_lane is not None and one.sub is not None
        }
        for place, camera in self._cameras.items():
            camera.splice = partial(self._shown, place, camera, main, sub)

    def due(self, since: int, until: int) -> list[PassRecord]:
        """Return the passes whose moment lies after `since` and not after `until`, in the order of time."""
        days = range(
            journeys.day_of(since / VIDEO_TIMESCALE - gate.PASS_S), journeys.day_of(until / VIDEO_TIMESCALE) + 1
        )
        found: list[PassRecord] = []
        for day in days:
            moments = self._of_day(day).moments
            first, last = (bisect_right(moments, tick, key=itemgetter(0)) for tick in (since, until))
            found += [self._record(at, passed) for at, passed in moments[first:last]]
        return found

    def _shown(
        self,
        place: str,
        camera: SimCamera,
        main: Mapping[tuple[int, bool], Substitute],
        sub: Mapping[tuple[int, bool], Substitute],
        feed: Feed,
        due: int,
    ) -> Substitute | None:
        day = journeys.day_of((due + camera.phase) / VIDEO_TIMESCALE)
        passed = self._of_day(day).shown.get((place, due // GROUP))
        if passed is None:
            return None
        return (main if feed is camera.main else sub).get((passed.vehicle, passed.towards))

    def _of_day(self, day: int) -> _Day:
        if day not in self._days:
            for old in sorted(self._days)[: max(0, len(self._days) + 1 - _DAYS_KEPT)]:
                del self._days[old]
            shown: dict[tuple[str, int], journeys.Pass] = {}
            for one in sorted(passed for vehicle in self._vehicles for passed in self._journeys(vehicle, day)):
                if (camera := self._cameras.get(one.place)) is not None:
                    group = (round(one.at_s * VIDEO_TIMESCALE) - camera.phase) // GROUP
                    shown.setdefault((one.place, group), one)  # of two in one group the first is seen
            moments = sorted((self._moment(group, one), one) for (_, group), one in shown.items())
            self._days[day] = _Day(shown, moments)
        return self._days[day]

    def _journeys(self, vehicle: Vehicle, day: int) -> Iterable[journeys.Pass]:
        return journeys.of_day(self._seed, vehicle, day, self._positions)

    def _moment(self, group: int, passed: journeys.Pass) -> int:
        best = gate.best(self._vehicles[passed.vehicle], self._fps, towards=passed.towards)
        number = best[0] if best else self._fps * gate.PASS_S // 2
        return group * GROUP + self._cameras[passed.place].phase + number * VIDEO_TIMESCALE // self._fps

    def _record(self, at: int, passed: journeys.Pass) -> PassRecord:
        vehicle, camera = self._vehicles[passed.vehicle], self._cameras[passed.place]
        shown = vehicle.shown(towards=passed.towards)
        return PassRecord(
            datetime.fromtimestamp(at / VIDEO_TIMESCALE, UTC).isoformat(timespec="milliseconds"),
            camera.path,
            camera.name,
            vehicle.plate,
            vehicle.kind,
            vehicle.background,
            len(shown[0]) if shown else 0,
            "towards" if passed.towards else "away",
            shown is not None,
        )


async def write_truth(traffic: Traffic, now: Callable[[], int], path: Path, limit: int = TRUTH_LIMIT) -> None:
    """Append each pass to a file as a line of JSON when its moment has come, until cancelled.

    Raises VonggacError when the file cannot be written.
    """
    written = now()
    while True:
        await asyncio.sleep(_WRITE_EVERY_S)
        until = now()
        records = traffic.due(written, until)
        written = until
        if records:
            await asyncio.to_thread(_append, path, records, limit)


def _append(path: Path, records: Sequence[PassRecord], limit: int) -> None:
    try:
        if path.exists() and path.stat().st_size >= limit:
            path.replace(path.with_name(f"{path.name}.1"))
        with path.open("ab") as file:
            file.write(b"".join(msgspec.json.encode(record) + b"\n" for record in records))
    except OSError as error:
        raise VonggacError(f"The truth file {path} cannot be written: {error.strerror}.") from error


def _all_plate_places(places: Sequence[CameraPlace]) -> list[CameraPlace]:
    known = {place.name: place for place in district.cameras()} | {place.name: place for place in places}
    return [known[name] for name in PLATE_PLACES]


def _substitute(lane: Clip, clip: Clip) -> Substitute:
    if clip.parameter_sets != lane.parameter_sets:
        raise VonggacError(
            f"The pass {clip.name} does not fit the empty lane: it was encoded by another encoder. Delete the cache of"
            " rendered scenes and start again."
        )
    return Substitute(clip.parameter_sets, tuple(framed(picture.nals) for picture in clip.pictures))
