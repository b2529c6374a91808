"""Vehicles pass the plate cameras in plausible time, are seen there, and stand in the truth file."""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from peers.viewer import Viewer
from vonggac.core.clock import SystemClock
from vonggac.sim import district, journeys
from vonggac.sim.camera import Feed, SimCamera
from vonggac.sim.passes import GROUP, Traffic, write_truth
from vonggac.sim.plates import BACKGROUNDS, Vehicle, fleet
from vonggac.sim.scenes import gate
from vonggac.sim.scenes.render import PassOf, Quality, pictures, scenes_footage
from vonggac.sim.track import Track

TICKS = 90_000
PLACES = {
    district.PLATE_PLACES[place.name]: (place.latitude, place.longitude)
    for place in district.cameras()
    if place.name in district.PLATE_PLACES
}
CAR = (
    r"(?!13|42|44|45|46|87|91|96)[1-9]\d[ABCDEFGHKLMNPSTUVXYZ]-\d{3}\.\d{2}",
    r"[A-Z]{2}-\d{2}-\d{2}",
)
MOTORBIKE = (r"[1-9]\d-[ABCDEFGHKLMNPSTUVXYZ][ABCDEFHKLMNPRSTUVXYZ] \d{3}\.\d{2}",)


def test_plates_are_such_as_are_issued_and_all_different() -> None:
    vehicles = fleet(1, 200)
    assert len({vehicle.plate for vehicle in vehicles}) == 200
    for vehicle in vehicles:
        forms = MOTORBIKE if vehicle.kind == "motorbike" else CAR
        assert any(re.fullmatch(form, vehicle.plate) for form in forms), vehicle.plate
        assert (vehicle.background == "red") == bool(re.match("[A-Z]", vehicle.plate))
    assert {vehicle.background for vehicle in vehicles} == set(BACKGROUNDS)
    assert {vehicle.kind for vehicle in vehicles} == {"car", "lorry", "motorbike"}
    assert fleet(1, 200) == vehicles != fleet(2, 200)


def test_no_vehicle_is_faster_between_two_cameras_than_the_road_allows_on_any_day() -> None:
    assert set(PLACES) == set(journeys.ROADS)
    for vehicle in fleet(3, 24):
        passes = [one for day in range(20_000, 20_004) for one in journeys.of_day(3, vehicle, day, PLACES)]
        assert len(passes) > 40
        for before, after in pairwise(passes):
            hours = (after.at_s - before.at_s) / 3600
            assert hours > 0
            if journeys.day_of(before.at_s) == journeys.day_of(after.at_s):
                assert after.place in journeys.ROADS[before.place]
            speed = journeys.road_km(PLACES[before.place], PLACES[after.place]) / hours
            assert speed < 65, (before, after)


def test_journeys_are_the_same_for_the_same_seed_and_others_for_another() -> None:
    vehicle = fleet(3, 1)[0]
    first, again, other = (list(journeys.of_day(seed, vehicle, 20_000, PLACES)) for seed in (3, 3, 4))
    assert first == again != other


@pytest.mark.parametrize("towards", [True, False])
def test_every_plate_that_is_shown_is_at_least_110_pixels_wide(towards: bool) -> None:
    for vehicle in fleet(5, 24):
        found = gate.best(vehicle, 15, towards=towards)
        if vehicle.kind == "motorbike" and towards:
            assert found is None
        else:
            assert found is not None
            left, _, right, _ = found[1]
            assert right - left >= 110


def test_a_plate_has_its_colours_and_no_row_leaves_it() -> None:
    for vehicle in fleet(6, 24):
        for towards in (True, False):
            if (shown := vehicle.shown(towards=towards)) is None:
                continue
            image = np.asarray(gate.plate(*shown, vehicle.background)).astype(int)
            ground, ink = (np.array(colour) for colour in BACKGROUNDS[vehicle.background])
            assert (np.abs(image - ground).sum(axis=2) < 30).mean() > 0.3
            inner = np.abs(image[7:-7, 7:-7] - ink).sum(axis=2) < 60
            rows = len(shown[0])
            assert inner.any(axis=1).sum() > 0.5 * inner.shape[0] / rows
            assert not inner[0].any()
            assert not inner[:, 0].any()


QUALITY = Quality(fps=15, seconds=2, group_s=2, sub_bit_rate=200_000)


@pytest.fixture(scope="module")
def vehicle() -> Vehicle:
    return next(one for one in fleet(7, 8) if one.background == "yellow")


@pytest.fixture(scope="module")
def built(
    vehicle: Vehicle, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], tuple[SimCamera, Traffic, list[NDArray[np.uint8]]]]:
    """A plate camera of one vehicle, whose only place is the junction at the airport."""
    shown = [PassOf(vehicle, towards) for towards in (True, False)]
    footage = scenes_footage(["gate"], QUALITY, tmp_path_factory.mktemp("scenes"), passes=shown)
    main, sub = footage["gate"].main, footage["gate"].sub
    assert sub is not None
    expected = [np.asarray(image) for image in pictures(gate.passing(vehicle, True), 30)]

    def build() -> tuple[SimCamera, Traffic, list[NDArray[np.uint8]]]:
        feeds = (Feed(Track.of(main)), Feed(Track.of(sub)))
        place = next(one for one in district.cameras() if one.name == "Ngã ba sân bay Liên Khương")
        camera = SimCamera(place.path, place.name, *feeds, phase=12_345)
        traffic = Traffic(7, fleet(7, 8), [place], [camera], QUALITY.fps)
        clips = {(vehicle.number, one.towards): footage[one.name] for one in shown}
        traffic.splice_into(feeds, clips)
        return camera, traffic, expected

    return build


class SetClock(SystemClock):
    """A clock that begins when it is told to."""

    def __init__(self, begin_us: int) -> None:
        self._ahead_us = begin_us - SystemClock().now_us()

    def now_us(self) -> int:
        return SystemClock().now_us() + self._ahead_us


def wanted_passes(traffic: Traffic, vehicle: Vehicle, towards: str) -> Iterator[tuple[float, str]]:
    day = 20_000 * 86_400 * TICKS
    for record in traffic.due(day, day + 86_400 * TICKS):
        if record.plate == vehicle.plate and record.direction == towards:
            yield datetime.fromisoformat(record.time).timestamp(), record.plate


@pytest.mark.slow
def test_a_viewer_sees_the_vehicle_at_the_time_that_the_truth_tells_and_only_then(
    running: Callable[..., Any], built: Callable[[], Any], vehicle: Vehicle
) -> None:
    camera, traffic, expected = built()
    at_s, plate = next(wanted_passes(traffic, vehicle, "towards"))
    assert plate == vehicle.plate
    server = running([camera], clock=SetClock(round((at_s - 5) * 1e6)))
    best = gate.best(vehicle, QUALITY.fps, towards=True)
    assert best is not None
    number, (left, top, right, bottom) = best
    part = np.s_[int(top) : int(bottom), int(left) : int(right)]
    goal = expected[number][part].astype(int)
    likeness = sorted(
        (float(np.abs(picture[part].astype(int) - goal).mean()), wall_s - at_s)
        for wall_s, picture in watched(server.server.port, camera.path, 10)
    )
    assert likeness[0][0] < 20
    assert abs(likeness[0][1]) < 0.1
    assert likeness[4][0] > 25, "it is there for a moment only"


def watched(port: int, path: str, seconds: float) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Yield pictures with the camera's wall time, as its sender reports map media time to it (RFC 3550 §6.4.1)."""
    viewer = Viewer(port)
    viewer.play(path)
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    waiting: list[tuple[int, bytes]] = []
    units, parts = bytearray(), bytearray()
    mapped: tuple[float, int] | None = None
    begin = None
    while True:
        channel, packet = viewer.packet()
        if channel == 1 and packet[1] == 200:
            ntp = int.from_bytes(packet[8:12], "big") - 2_208_988_800 + int.from_bytes(packet[12:16], "big") / 2**32
            mapped = ntp, int.from_bytes(packet[16:20], "big")
        if channel == 0:
            stamp, payload = int.from_bytes(packet[4:8], "big"), packet[12:]
            begin = stamp if begin is None else begin
            for unit in whole_units(payload, parts):
                units += b"\0\0\0\1" + unit
            if packet[1] & 128:
                waiting.append((stamp, bytes(units)))
                units.clear()
            if (stamp - begin) & 0xFFFFFFFF > seconds * TICKS:
                break
    assert mapped is not None
    for stamp, coded in waiting:
        for parsed in (*decoder.parse(coded), *decoder.parse(b"")):
            parsed.pts = ((stamp - mapped[1] + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)
            for frame in decoder.decode(parsed):
                assert frame.pts is not None
                yield mapped[0] + frame.pts / TICKS, frame.to_ndarray(format="rgb24").astype(np.uint8)


def whole_units(payload: bytes, parts: bytearray) -> Iterator[bytes]:
    """Yield the units that a payload completes (RFC 6184 §5.6 to §5.8)."""
    kind = payload[0] & 31
    if kind == 24:
        rest = payload[1:]
        while rest:
            size = int.from_bytes(rest[:2], "big")
            yield rest[2 : 2 + size]
            rest = rest[2 + size :]
    elif kind == 28:
        if payload[1] & 128:
            parts[:] = bytes([payload[0] & 224 | payload[1] & 31])
        parts += payload[2:]
        if payload[1] & 64:
            yield bytes(parts)
    else:
        yield payload


def test_a_pass_takes_the_place_of_exactly_its_group_in_both_streams(
    built: Callable[[], Any], vehicle: Vehicle
) -> None:
    camera, traffic, _ = built()
    assert camera.splice is not None
    at_s, _ = next(wanted_passes(traffic, vehicle, "away"))
    group = (round(at_s * TICKS) - camera.phase) // GROUP
    shown = [[camera.splice(feed, one * GROUP) for one in (group - 1, group, group + 1)] for feed in camera.feeds]
    assert [[one is not None for one in stream] for stream in shown] == [[False, True, False]] * 2
    assert [len(stream[1].pictures) for stream in shown if stream[1]] == [30, 15]
    number, _ = gate.best(vehicle, QUALITY.fps, towards=False) or (0, ())
    assert at_s * TICKS == pytest.approx(group * GROUP + camera.phase + number * 6000, abs=200)


def test_no_pass_is_told_twice_or_forgotten_however_often_is_asked(built: Callable[[], Any]) -> None:
    _, traffic, _ = built()
    begin, end = 20_000 * 86_400 * TICKS, 20_002 * 86_400 * TICKS
    at_once = traffic.due(begin, end)
    step = 1801 * TICKS
    asked = [record for since in range(begin, end, step) for record in traffic.due(since, min(end, since + step))]
    assert asked == at_once
    assert [record.time for record in at_once] == sorted(record.time for record in at_once)
    by_plate = defaultdict(list)
    for record in at_once:
        by_plate[record.plate].append(record)
    assert len(by_plate) > 1


def test_the_truth_is_written_as_lines_of_json_and_the_file_does_not_grow_for_ever(
    built: Callable[[], Any], vehicle: Vehicle, tmp_path: Path
) -> None:
    _, traffic, _ = built()
    at_s, _ = next(wanted_passes(traffic, vehicle, "towards"))
    moments = iter([round((at_s - 1) * TICKS), round((at_s + 1) * TICKS), round((at_s + 7200) * TICKS)])
    last = round((at_s + 7200) * TICKS)
    path = tmp_path / "passes.jsonl"

    async def write() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(write_truth(traffic, lambda: next(moments, last), path, limit=100), 3)

    asyncio.run(write())
    first = [json.loads(line) for line in path.with_name("passes.jsonl.1").read_text("utf-8").splitlines()]
    assert {record["plate"] for record in first} >= {vehicle.plate}
    assert first[0].keys() >= {"time", "camera", "name", "plate", "vehicle", "background", "rows", "direction"}
    assert path.exists()
    told = datetime.fromisoformat(next(one["time"] for one in first if one["plate"] == vehicle.plate))
    assert told == datetime.fromtimestamp(at_s, UTC)
