"""Volumes looked at, left, and chosen among: a real folder each, and a disk that fails on command."""

from __future__ import annotations

import errno
import os
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from vonggac.video.models import GapReason
from vonggac.video.recorder import volume_watch
from vonggac.video.recorder.disk import Buffer, SystemDisk
from vonggac.video.recorder.recording_file import WriteFailed
from vonggac.video.recorder.volume_faults import faults_of
from vonggac.video.recorder.volume_watch import StandingVolume, VolumeWatch
from vonggac.video.volumes import MARKER, MountedVolume, VolumeCondition, VolumeState


class RefusingDisk(SystemDisk):
    """Refuses every write with `number` while it is set."""

    number = 0

    def append(self, descriptor: int, buffers: Sequence[Buffer]) -> None:
        if self.number:
            raise OSError(self.number, os.strerror(self.number))
        super().append(descriptor, buffers)


class Case:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.disk = RefusingDisk()
        self.welcomed: list[tuple[MountedVolume, bool]] = []
        self.hold = threading.Event()
        self.hold.set()
        self.slow: set[uuid.UUID] = set()
        self.watch = VolumeWatch(
            self.disk, reserve_bytes=1, welcome=self.welcome, slow=lambda volume_id: volume_id in self.slow
        )

    def welcome(self, volume: MountedVolume, again: bool, _step: Callable[[], None]) -> None:
        self.hold.wait(60)
        self.welcomed.append((volume, again))

    def volume(self, name: str) -> MountedVolume:
        made = MountedVolume(uuid.uuid4(), self.path / name)
        made.path.mkdir()
        (made.path / MARKER).write_text(f"{made.id}\n")
        return made

    def states(self) -> list[VolumeState]:
        return [one.condition.state for one in self.watch.standing()]


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    monkeypatch.setattr(volume_watch, "LOOK_S", 0.05)
    monkeypatch.setattr(volume_watch, "_RETRY_FIRST_S", 0.1)
    made = Case(tmp_path)
    yield made
    made.hold.set()
    made.watch.end()


def test_a_volume_that_appears_is_made_ready_before_it_is_written_to(case: Case, wait: Callable[..., None]) -> None:
    volume = case.volume("one")
    volume.path.rename(case.path / "away")
    case.watch.set_volumes([volume])
    wait(lambda: case.states() == [VolumeState.MISSING], "the first look")
    assert case.watch.choose(uuid.uuid4()) is None
    assert case.watch.why_none()[0] is GapReason.VOLUME_LOST
    assert case.welcomed == []
    (case.path / "away").rename(volume.path)
    wait(lambda: case.states() == [VolumeState.OK], "the volume")
    assert case.welcomed == [(volume, False)]
    assert case.watch.choose(uuid.uuid4()) == volume


def test_another_disk_in_its_place_is_not_written_to(case: Case, wait: Callable[..., None]) -> None:
    volume = case.volume("one")
    (volume.path / MARKER).write_text(f"{uuid.uuid4()}\n")
    case.watch.set_volumes([volume])
    wait(lambda: case.states() == [VolumeState.FOREIGN], "the first look")
    assert case.watch.choose(uuid.uuid4()) is None


@pytest.mark.parametrize(
    ("number", "state"),
    [
        (errno.EIO, VolumeState.FAILING),
        (errno.EROFS, VolumeState.READ_ONLY),
        (errno.ENOSPC, VolumeState.FULL),
        (errno.ESTALE, VolumeState.MISSING),
    ],
)
def test_a_volume_whose_write_failed_is_left_until_one_succeeds(
    case: Case, wait: Callable[..., None], number: int, state: VolumeState
) -> None:
    volume = case.volume("one")
    case.watch.set_volumes([volume])
    wait(lambda: case.states() == [VolumeState.OK], "the first look")
    case.disk.number = number
    case.watch.failed(volume, WriteFailed(GapReason.DISK, "it failed", number))
    assert case.states() == [state]
    assert case.watch.choose(uuid.uuid4()) is None
    case.disk.number = 0
    wait(lambda: case.states() == [VolumeState.OK], "a probe that succeeds")
    assert case.welcomed == [(volume, False), (volume, True)]
    assert [path.name for path in volume.path.iterdir()] == [MARKER]


def test_a_volume_that_hangs_holds_up_no_other(
    case: Case, wait: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(volume_watch, "HANGS_S", 0.3)
    case.hold.clear()
    hanging = case.volume("hanging")
    case.watch.set_volumes([hanging])
    wait(lambda: case.states() == [VolumeState.HANGING], "the time after which it hangs")
    case.hold.set()
    good = case.volume("good")
    case.watch.set_volumes([hanging, good])
    wait(lambda: case.states() == [VolumeState.OK, VolumeState.OK], "both")


def test_each_camera_keeps_its_home_and_moves_only_when_that_is_away(case: Case, wait: Callable[..., None]) -> None:
    volumes = [case.volume("one"), case.volume("two")]
    case.watch.set_volumes(volumes)
    wait(lambda: case.states() == [VolumeState.OK] * 2, "both")
    cameras = [uuid.UUID(int=number) for number in range(102)]
    homes = {camera: case.watch.choose(camera) for camera in cameras}
    assert all(30 < sum(home == volume for home in homes.values()) < 72 for volume in volumes)
    assert homes == {camera: case.watch.choose(camera) for camera in cameras}
    case.slow.add(volumes[0].id)
    assert {case.watch.choose(camera) for camera in cameras} == {volumes[1]}
    assert case.watch.leave(volumes[0])
    assert not case.watch.leave(volumes[1])
    case.slow.add(volumes[1].id)  # both slow: no better one to go to
    assert not case.watch.leave(volumes[0])
    assert case.watch.choose(cameras[0]) is not None
    case.slow.clear()
    assert homes == {camera: case.watch.choose(camera) for camera in cameras}


def test_what_is_wrong_with_each_volume_is_a_fault_with_its_words() -> None:
    volume = MountedVolume(uuid.uuid4(), Path("/disks/one"))
    full = StandingVolume(volume, VolumeCondition(VolumeState.FULL, "It is full."), slow=False)
    good = StandingVolume(volume, VolumeCondition(VolumeState.OK), slow=True)
    found = {key: words for key, words in faults_of([full]).items() if words is not None}
    assert found == {
        ("volume_full", volume.id.hex): "It is full.",
        ("no_volume", ""): "Nothing is recorded: no volume can be written. It is full.",
    }
    found = {key: words for key, words in faults_of([good]).items() if words is not None}
    assert set(found) == {("disk_slow", volume.id.hex)}
    assert "/disks/one" in found["disk_slow", volume.id.hex]
