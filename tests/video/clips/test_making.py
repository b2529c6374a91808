"""The keeper's job: whole files or none, again after a kill at any moment, never at the cost of recording."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import shutil
import uuid
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from sqlalchemy.exc import OperationalError

from peers.stored_archive import MINUTE_US
from vonggac.core.settings import ClipSettings, Settings, StorageSettings
from vonggac.video.archive import checking
from vonggac.video.archive.checking import CheckedCamera, Options, Tally
from vonggac.video.clips import making, service
from vonggac.video.clips.making import ClipMaking
from vonggac.video.clips.models import Clip, ClipState
from vonggac.video.models import GapReason
from vonggac.video.mp4 import RecordingDamaged

from .conftest import FIRST_US, LENGTH_US, Centre

Usage = namedtuple("Usage", "total used free")


def rounds(job: ClipMaking, count: int = 1) -> None:
    async def body() -> None:
        for _ in range(count):
            await job.round()

    asyncio.run(body())


def until_done(centre: Centre, job: ClipMaking, clip_id: uuid.UUID) -> Clip:
    """Let the job work; every round shows progress that never goes back."""

    async def body() -> None:
        seen = [0]
        for _ in range(10_000):
            await job.round()
            clip = centre.clip(clip_id)
            if clip.state in (ClipState.READY, ClipState.FAILED):
                return
            seen.append(clip.written)
            assert seen == sorted(seen)
        raise AssertionError("the clip was never done")

    asyncio.run(body())
    return centre.clip(clip_id)


def test_a_clip_is_made_hashed_and_its_gaps_are_listed(centre: Centre) -> None:
    clip_id = centre.ask(centre.wants(FIRST_US - MINUTE_US, FIRST_US + 3 * LENGTH_US))
    job = centre.making()
    rounds(job)
    clip = centre.clip(clip_id)
    file = centre.folder / f"{clip_id.hex}.mp4"
    data = file.read_bytes()
    assert clip.state == ClipState.READY
    assert (clip.size, clip.sha256) == (len(data), hashlib.sha256(data).digest())
    assert (clip.start_us, clip.frames) == (FIRST_US, 3 * 150)
    assert [gap[:3] for gap in clip.gaps] == [[FIRST_US - MINUTE_US, FIRST_US, GapReason.UNKNOWN]]
    assert centre.files() == {file.name}
    assert centre.holds() == []
    assert file.stat().st_mode & 0o077 == 0 or centre.folder.stat().st_mode & 0o077 == 0


def test_a_clip_is_made_in_slices_with_progress_and_others_wait(
    centre: Centre, small_pieces: Callable[[], None]
) -> None:
    small_pieces()
    first, second = centre.ask(), centre.ask(centre.wants(who=1))
    job = centre.making()
    rounds(job, 5)
    clip = centre.clip(first)
    assert clip.state == ClipState.WORKING
    assert 0 < clip.written < clip.size
    assert centre.files() == {f"{first.hex}.part"}
    assert centre.clip(second).state == ClipState.WAITING
    assert until_done(centre, job, first).state == ClipState.READY
    assert until_done(centre, job, second).state == ClipState.READY
    with centre.database.read() as session:
        sizes = {session.get_one(Clip, one).sha256 for one in (first, second)}
    assert len(sizes) == 1


@pytest.mark.parametrize("killed", ["planned", "writing", "renamed"])
def test_a_keeper_that_was_killed_begins_the_clip_anew(
    centre: Centre, small_pieces: Callable[[], None], monkeypatch: pytest.MonkeyPatch, killed: str
) -> None:
    clip_id = centre.ask()
    small_pieces()
    job = centre.making()
    if killed == "writing":
        rounds(job, 7)
    else:

        class Killed(BaseException):
            """The process ends here."""

        def kill(*_: object) -> None:
            raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(service, "planned" if killed == "planned" else "finish", kill)
            with pytest.raises(Killed):
                rounds(job, 10_000)
    assert centre.clip(clip_id).state == ClipState.WORKING
    assert len(centre.holds()) == 1
    left = {"planned": set(), "writing": {f"{clip_id.hex}.part"}, "renamed": {f"{clip_id.hex}.mp4"}}[killed]
    assert centre.files() == left
    again = centre.making()
    rounds(again)
    assert f"{clip_id.hex}.mp4" not in centre.files()
    clip = until_done(centre, again, clip_id)
    assert (clip.state, clip.attempts) == (ClipState.READY, 2)
    assert hashlib.sha256((centre.folder / f"{clip_id.hex}.mp4").read_bytes()).digest() == clip.sha256
    assert centre.files() == {f"{clip_id.hex}.mp4"}
    assert centre.holds() == []


@pytest.mark.parametrize("step", ["planned", "progress", "finish", "fail"])
def test_a_database_that_is_away_for_a_moment_costs_no_clip(
    centre: Centre, small_pieces: Callable[[], None], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    small_pieces()
    clip_id = centre.ask()
    job = centre.making()
    if step == "fail":
        for path in centre.archive.volumes[0].path.rglob("*.mp4"):
            path.unlink()

    def away(*_: object) -> None:
        raise OperationalError("UPDATE clip", {}, OSError("the server is away"))

    with monkeypatch.context() as patched:
        patched.setattr(service, step, away)
        with pytest.raises(OperationalError):
            rounds(job, 100)
    clip = until_done(centre, job, clip_id)
    assert clip.state == (ClipState.FAILED if step == "fail" else ClipState.READY)
    assert centre.holds() == []
    assert centre.files() == (set() if step == "fail" else {f"{clip_id.hex}.mp4"})


def test_a_clip_goes_with_its_file_when_its_time_is_over_and_strange_files_stay(centre: Centre) -> None:
    clip_id = centre.ask()
    job = centre.making()
    rounds(job)
    stranger, orphan = centre.folder / "notes.txt", centre.folder / f"{uuid.uuid4().hex}.part"
    stranger.write_text("mine")
    orphan.write_text("x")
    centre.archive.clock.us += 24 * 3600 * 1_000_000 - 1
    rounds(job)
    assert centre.files() == {"notes.txt", f"{clip_id.hex}.mp4"}
    centre.archive.clock.us += 1
    rounds(job)
    assert centre.files() == {"notes.txt"}
    with centre.database.read() as session:
        assert service.known(session) == {}


def test_a_clip_deleted_while_it_is_made_leaves_nothing(centre: Centre, small_pieces: Callable[[], None]) -> None:
    small_pieces()
    clip_id = centre.ask()
    job = centre.making()
    rounds(job, 4)
    with centre.database.write() as session:
        service.remove(session, session.get_one(Clip, clip_id))
    rounds(job, 2)
    assert centre.files() == set()
    assert centre.holds() == []


def test_a_clip_whose_file_somebody_removed_says_so(centre: Centre) -> None:
    clip_id = centre.ask()
    rounds(centre.making())
    (centre.folder / f"{clip_id.hex}.mp4").unlink()
    rounds(centre.making())
    clip = centre.clip(clip_id)
    assert (clip.state, clip.failure) == (ClipState.FAILED, service.FILE_GONE)


def failed(centre: Centre, settings: Settings | None = None) -> tuple[str, str]:
    """Ask for a clip and let the job fail; returns what the reader and what the log is told."""
    clip_id = centre.ask()
    with structlog.testing.capture_logs() as logs:
        rounds(centre.making(settings))
    clip = centre.clip(clip_id)
    assert clip.state == ClipState.FAILED
    assert centre.files() == set()
    assert centre.holds() == []
    (line,) = [log for log in logs if log["event"] == "A clip could not be made"]
    return clip.failure, line["reason"]


def test_recordings_that_are_gone_are_said_to_be(centre: Centre) -> None:
    for path in centre.archive.volumes[0].path.rglob("*.mp4"):
        path.unlink()
    assert failed(centre)[0] == making.NOTHING_READABLE


def test_a_volume_that_is_away_is_said_to_be(centre: Centre) -> None:
    centre.archive.volumes[0].path.rename(centre.archive.path / "away")
    failure, reason = failed(centre)
    assert failure == making.NOTHING_READABLE
    assert "Is its disk mounted?" in reason


def test_one_recording_that_is_gone_is_a_gap_of_the_clip(centre: Centre) -> None:
    rows = centre.archive.rows()
    (centre.archive.volumes[0].path / rows[1].path).unlink()
    clip_id = centre.ask()
    rounds(centre.making())
    clip = centre.clip(clip_id)
    assert clip.state == ClipState.READY
    assert any("is gone" in gap[3] for gap in clip.gaps)


def test_a_disk_with_no_room_above_the_reserve_takes_no_clip(centre: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    reserve = 16_000_000 + making.SPARE_BYTES
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10**12, 0, reserve + 100))
    failure, reason = failed(centre)
    assert failure == making.NO_ROOM
    assert f"{reserve} stay so for recording" in reason


def test_a_disk_that_fills_while_a_clip_is_written_is_left_to_recording(
    centre: Centre, small_pieces: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    small_pieces()
    clip_id = centre.ask()
    job = centre.making()
    rounds(job, 4)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10**12, 0, 16_000_000))
    rounds(job)
    assert centre.clip(clip_id).failure == making.NO_ROOM
    assert centre.files() == set()


def test_a_disk_that_refuses_to_be_written_is_told_from_a_full_one(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", refuse)
    failure, reason = failed(centre)
    assert failure == making.NOT_WRITTEN
    assert "Input/output error" in reason


def test_a_recording_that_breaks_while_it_is_read_is_told_from_the_disk_that_is_written(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RecordingDamaged("A recording became shorter while a clip was cut from it; try again.")

    monkeypatch.setattr(making, "plan", broken)
    assert failed(centre)[0] == making.UNREADABLE


def test_a_clip_that_turns_out_larger_than_all_may_be_is_not_begun(centre: Centre) -> None:
    tight = Settings(storage=StorageSettings(reserve_mb=16), clips=ClipSettings(max_gb=1e-9))
    assert failed(centre, tight)[0] == making.TOO_MUCH


def test_clips_are_no_recordings_and_the_check_of_the_archive_knows_nothing_of_them(centre: Centre) -> None:
    centre.ask()
    rounds(centre.making())
    archive = centre.archive
    cameras = [CheckedCamera(archive.camera_ids[0], 1, "c-1")]
    options = Options(0, archive.clock.us, archive.clock.us)
    tally = Tally()
    assert list(checking.check(centre.database, archive.volumes, cameras, options, tally)) == []
    assert tally.files == 10


def test_the_command_and_the_keeper_write_the_same_bytes(centre: Centre, tmp_path: Path) -> None:
    from vonggac.video import commands
    from vonggac.video.archive import footage
    from vonggac.video.archive.footage import MediaStore
    from vonggac.video.clips import writing

    clip_id = centre.ask()
    rounds(centre.making())
    clip = centre.clip(clip_id)
    with centre.database.read() as session:
        store = MediaStore.of(session)
        selection = footage.select(session, store, clip.camera_id, clip.from_us, clip.to_us, clip.to_us)
    target = tmp_path / "clip.mp4"
    told: list[tuple[int, int]] = []
    planned = writing.plan(store, selection)
    digest = commands.write_file(planned, target, force=False, progress=lambda done, size: told.append((done, size)))
    assert digest == clip.sha256 == hashlib.sha256(target.read_bytes()).digest()
    assert told[-1] == (clip.size, clip.size)
