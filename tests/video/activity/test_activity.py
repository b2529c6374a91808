"""Rows of activity over both databases: written once, grown, announced when they begin, asked for, pruned."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from peers.seeding import Seeding
from vonggac.cameras.models import Camera
from vonggac.cameras.onvif.client import exchange
from vonggac.cameras.onvif.pull_point import HttpRequest, HttpResponse
from vonggac.cameras.service import onvif_sources
from vonggac.core import schema
from vonggac.core.clock import MICROSECONDS, SystemClock
from vonggac.core.database import Database
from vonggac.core.eventlog import events_after
from vonggac.core.secrets import SecretBox
from vonggac.sim import digest
from vonggac.sim.onvif import OnvifCamera, OnvifServer
from vonggac.video import activity
from vonggac.video.activity import Activity, Episode, Source, camera_events
from vonggac.video.activity.camera_events import PACE_S, CameraEvents
from vonggac.video.activity.notes import MOST, EpisodeNotes, EpisodeWriter
from vonggac.video.activity.service import KEPT_US, LONGEST_US

NOW = 1_795_500_000_000_000
S = MICROSECONDS


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    schema.upgrade(database)
    yield database
    database.close()


@pytest.fixture
def seeded(database: Database, tmp_path: Path) -> Seeding:
    return Seeding(database, tmp_path)


@pytest.fixture
def unit(seeded: Seeding) -> uuid.UUID:
    return seeded.unit("Liên Nghĩa")


@pytest.fixture
def one(seeded: Seeding, unit: uuid.UUID) -> uuid.UUID:
    """A camera."""
    return seeded.camera("A", unit, NOW)


@pytest.fixture
def other(seeded: Seeding, unit: uuid.UUID) -> uuid.UUID:
    """Another camera."""
    return seeded.camera("B", unit, NOW)


def rows(database: Database) -> list[tuple[int, int, float, str]]:
    with database.read() as session:
        found = session.scalars(sa.select(Activity).order_by(Activity.start_us))
        return [(row.start_us, row.end_us, row.score, row.source) for row in found]


def write(database: Database, notes: EpisodeNotes) -> None:
    for change in notes.take():
        with database.write() as session:
            change(session)


def announced(database: Database) -> list[uuid.UUID | None]:
    with database.read() as session:
        return [event.subject for event in events_after(session, 0, ["activity."]).events]


def test_an_episode_is_one_row_that_grows_and_is_announced_once(
    database: Database, one: uuid.UUID, unit: uuid.UUID
) -> None:
    camera, notes = one, EpisodeNotes()
    writer = EpisodeWriter(camera, unit, Source.SIZES, notes)
    writer.begin(NOW, NOW + 2 * S, 0.5)
    write(database, notes)
    assert rows(database) == [(NOW, NOW + 2 * S, 0.5, "sizes")]
    writer.grow(NOW + 4 * S, 0.7)
    write(database, notes)
    assert rows(database)[0][1] == NOW + 2 * S, "a row that only grows is written seldom"
    writer.grow(NOW + 30 * S, 0.6)
    write(database, notes)
    writer.end()
    write(database, notes)
    assert rows(database) == [(NOW, NOW + 30 * S, 0.7, "sizes")]
    assert announced(database) == [camera]


def test_what_begins_again_within_a_minute_is_noted_and_not_announced(
    database: Database, one: uuid.UUID, unit: uuid.UUID
) -> None:
    camera, notes = one, EpisodeNotes()
    writer = EpisodeWriter(camera, unit, Source.SIZES, notes)
    for begins in (0, 30, 120):
        writer.begin(NOW + begins * S, NOW + begins * S + S, 0.5)
        writer.end()
    write(database, notes)
    assert len(rows(database)) == 3
    assert len(announced(database)) == 2


def test_a_transaction_that_fails_is_done_again_as_if_it_were_the_first(
    database: Database, one: uuid.UUID, unit: uuid.UUID
) -> None:
    camera, notes = one, EpisodeNotes()
    writer = EpisodeWriter(camera, unit, Source.ONVIF, notes)
    writer.begin(NOW, NOW + S, 1.0)
    (begun,) = notes.take()
    writer.grow(NOW + 60 * S, 1.0)
    (grown,) = notes.take()
    with contextlib.suppress(RuntimeError), database.write() as session:
        begun(session)
        grown(session)
        raise RuntimeError("the disk is full")
    assert rows(database) == []
    with database.write() as session:
        begun(session)
        grown(session)
    assert rows(database) == [(NOW, NOW + 60 * S, 1.0, "onvif")]


def test_what_goes_on_for_hours_is_a_row_an_hour_and_announced_once(
    database: Database, one: uuid.UUID, unit: uuid.UUID
) -> None:
    camera, notes = one, EpisodeNotes()
    writer = EpisodeWriter(camera, unit, Source.ONVIF, notes)
    writer.begin(NOW, NOW, 1.0)
    for minute in range(1, 181):
        writer.grow(NOW + minute * 60 * S, 1.0)
        write(database, notes)
    writer.end()
    write(database, notes)
    found = rows(database)
    assert len(found) >= 3
    assert all(end - start <= LONGEST_US for start, end, *_ in found)
    assert found[-1][1] == NOW + 10_800 * S
    assert len(announced(database)) == 1


def test_while_the_database_is_away_what_waits_is_bounded() -> None:
    notes = EpisodeNotes()
    writer = EpisodeWriter(uuid.uuid4(), uuid.uuid4(), Source.SIZES, notes)
    for number in range(MOST + 50):
        writer.begin(NOW + number * S, NOW + number * S, 0.5)
        writer.end()
    assert sum(len(change._episodes) for change in notes.take()) == MOST
    assert notes.left_out >= 50


def test_rows_are_found_by_interval_and_by_what_was_last(
    database: Database, one: uuid.UUID, other: uuid.UUID, unit: uuid.UUID
) -> None:
    episodes = [
        Episode(camera, unit, Source.SIZES, NOW + at * S, NOW + (at + 10) * S, 0.5)
        for camera, at in ((one, 0), (one, 100), (other, 50))
    ]
    with database.write() as session:
        activity.note(session, episodes)
    with database.read() as session:
        assert [row.start_us for row in activity.between(session, [one], NOW + 5 * S, NOW + 200 * S)] == [
            NOW, NOW + 100 * S,
        ]  # fmt: skip
        assert activity.between(session, [one], NOW + 10 * S, NOW + 100 * S) == []
        assert [row.camera_id for row in activity.latest(session, [one, other], NOW, 2)] == [one, other]
        assert activity.latest(session, [], NOW, 5) == []


def test_rows_are_pruned_after_a_month_unless_the_recordings_are_older(
    database: Database, seeded: Seeding, one: uuid.UUID, other: uuid.UUID, unit: uuid.UUID
) -> None:
    short, long = one, other
    day = 86_400 * S
    seeded.recorded(long, NOW - 60 * day, NOW - 60 * day + 60 * S)
    with database.write() as session:
        for camera in (short, long):
            for days in (1, 40, 80):
                start = NOW - days * day
                activity.note(session, [Episode(camera, unit, Source.SIZES, start, start + S, 0.5)])
    with database.write() as session:
        assert activity.prune(session, NOW, 1) == 1
        assert activity.prune(session, NOW, 100) == 2
        assert activity.prune(session, NOW, 100) == 0
    with database.read() as session:
        kept = session.execute(sa.select(Activity.camera_id, Activity.start_us)).all()
    assert {(camera, (NOW - start) // day) for camera, start in kept} == {(short, 1), (long, 1), (long, 40)}
    assert 30 * day == KEPT_US


@pytest.fixture
def box() -> SecretBox:
    return SecretBox(bytes(range(32)))


def test_what_a_camera_says_by_onvif_is_noted_and_a_camera_that_says_nothing_is_asked_again(
    database: Database, one: uuid.UUID, box: SecretBox
) -> None:
    camera = OnvifCamera()

    async def run() -> None:
        async with OnvifServer({1: camera}, credentials=digest.Credentials("admin", "secret")) as server:
            camera_id = one
            with database.write() as session:
                session.execute(sa.update(Camera).values(onvif_url=server.address(1), secret=None))
                row = session.get_one(Camera, camera_id)
                row.secret = box.seal('{"onvif_url": ["admin", "secret"]}', f"camera:{camera_id}")
            with database.read() as session:
                (source,) = onvif_sources(session, box)
                assert source.credentials is not None
            events = CameraEvents(database, SystemClock(), box, CollectorRegistry())

            async def rounds(until: Callable[[], object]) -> None:
                async with asyncio.timeout(60):
                    while not until():
                        await events.round()
                        await asyncio.sleep(0.02)

            await rounds(lambda: camera.asked.count("PullMessages") >= 2)
            assert rows(database) == []
            camera.move(True)
            await rounds(lambda: rows(database))
            camera.forget()
            camera.move(False)
            await rounds(lambda: camera.subscriptions)
            await events.close()
            assert camera.subscriptions == {}, "we took leave"
        (start, end, score, source_name), *more = rows(database)
        assert (score, source_name) == (1.0, "onvif")
        assert end > start
        assert more == []

    asyncio.run(run())


def test_a_camera_that_always_has_something_to_say_is_not_asked_without_a_pause(
    database: Database, one: uuid.UUID, box: SecretBox
) -> None:
    camera, asked = OnvifCamera(), []

    async def send(request: HttpRequest) -> HttpResponse:
        if b"<PullMessages" in request.body:
            asked.append(asyncio.get_running_loop().time())
            camera.move(True)  # there is always news
        return await exchange(request)

    async def run() -> None:
        async with OnvifServer({1: camera}) as server:
            with database.write() as session:
                session.execute(sa.update(Camera).values(onvif_url=server.address(1)))
            events = CameraEvents(database, SystemClock(), box, CollectorRegistry(), send=send)
            async with asyncio.timeout(60):
                while len(asked) < 4:
                    await events.round()
                    await asyncio.sleep(0.02)
            await events.close()
        assert all(after - before >= PACE_S for before, after in itertools.pairwise(asked))

    asyncio.run(run())


def test_a_fault_of_ours_with_one_camera_ends_neither_the_keeper_nor_the_following_of_others(
    database: Database, one: uuid.UUID, other: uuid.UUID, box: SecretBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera_events, "FAULT_PAUSE_S", 0.2)
    faulty, healthy, asked = OnvifCamera(), OnvifCamera(), []

    async def send(request: HttpRequest) -> HttpResponse:
        if b"POST /1/" in request.head:
            asked.append(request)
            raise ZeroDivisionError
        return await exchange(request)

    async def run() -> None:
        async with OnvifServer({1: faulty, 2: healthy}) as server:
            with database.write() as session:
                for number, camera_id in ((1, one), (2, other)):
                    session.get_one(Camera, camera_id).onvif_url = server.address(number)
            events = CameraEvents(database, SystemClock(), box, CollectorRegistry(), send=send)
            async with asyncio.timeout(60):
                while len(asked) < 3 or not healthy.subscriptions:
                    await events.round()
                    await asyncio.sleep(0.02)
                healthy.move(True)
                while not rows(database):
                    await events.round()
                    await asyncio.sleep(0.02)
            await events.close()

    asyncio.run(run())


def test_a_camera_that_refuses_every_pull_is_left_in_order_and_asked_ever_more_seldom(
    database: Database, one: uuid.UUID, box: SecretBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera_events, "FIRST_PAUSE_S", 0.05)
    camera, subscribed = OnvifCamera(), []

    async def send(request: HttpRequest) -> HttpResponse:
        if b"<PullMessages" in request.body:
            return HttpResponse(404, [], b"")
        if b"<CreatePullPointSubscription" in request.body:
            assert camera.subscriptions == {}, "the one before it was given back"
            subscribed.append(asyncio.get_running_loop().time())
        return await exchange(request)

    async def run() -> None:
        async with OnvifServer({1: camera}) as server:
            with database.write() as session:
                session.execute(sa.update(Camera).values(onvif_url=server.address(1)))
            events = CameraEvents(database, SystemClock(), box, CollectorRegistry(), send=send)
            async with asyncio.timeout(60):
                while len(subscribed) < 6:
                    await events.round()
                    await asyncio.sleep(0.02)
            await events.close()

    asyncio.run(run())
    assert subscribed[-1] - subscribed[-2] >= 0.05 * 2**4 / 2


def test_a_camera_that_takes_no_password_is_not_asked_until_it_locks_itself(
    database: Database, one: uuid.UUID, box: SecretBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera_events, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(camera_events, "LOCK_PAUSE_S", 0.6)
    camera, began = OnvifCamera(), []

    async def send(request: HttpRequest) -> HttpResponse:
        if b"<GetSystemDateAndTime" in request.body:
            began.append(asyncio.get_running_loop().time())
        return await exchange(request)

    async def run() -> None:
        async with OnvifServer({1: camera}, credentials=digest.Credentials("admin", "secret")) as server:
            with database.write() as session:
                session.execute(sa.update(Camera).values(onvif_url=server.address(1), secret=None))
            events = CameraEvents(database, SystemClock(), box, CollectorRegistry(), send=send)
            async with asyncio.timeout(60):
                while len(began) < 3:
                    await events.round()
                    await asyncio.sleep(0.02)
            await events.close()

    asyncio.run(run())
    assert all(after - before >= 0.6 for before, after in itertools.pairwise(began))
