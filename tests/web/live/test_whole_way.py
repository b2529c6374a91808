"""Live pictures the whole way: GStreamer's cameras, a real recorder, real pages, programs that watch, ffmpeg."""

from __future__ import annotations

import io
import itertools
import signal
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from PIL import Image

from peers.live_viewer import JPEG, Binary, LiveViewer
from vonggac.core.clock import utc_now
from vonggac.org import accounts
from vonggac.org.models import Account
from vonggac.shell.models import LookRow

pytestmark = pytest.mark.slow

NUMBERS = {"h264": 1, "h264-b": 2, "h265": 3, "h265-b": 4, "large": 5}


@pytest.mark.parametrize("name", ["h264", "h264-b", "h265", "h265-b"])
def test_each_picture_comes_when_it_is_there_and_ffmpeg_plays_them(
    centre: Any, judge: Any, tmp_path: Path, name: str
) -> None:
    with centre.viewer(NUMBERS[name], h265=1) as viewer:
        pictures = viewer.take(60)
        (said,) = viewer.said
        film = tmp_path / "film.mp4"
        film.write_bytes(viewer.film())
    assert (said["type"], said["mode"], said["width"], said["height"]) == ("stream", "video", 640, 360)
    assert ("hvc1" if "h265" in name else "avc1") in said["mime"]
    assert pictures[0].key
    assert judge.complaints(film) == ""
    assert len(judge.packets(film)) == len(pictures)
    assert judge.frames(film) == len(pictures)
    times = [one.times for one in pictures]
    for (before, _, lasts), (after, _, _) in itertools.pairwise(times):
        assert before < after <= before + 2 * lasts, "a browser would drop what follows up to the next key frame"
    if name.endswith("-b"):
        assert any(after < before for (_, before, _), (_, after, _) in itertools.pairwise(times)), "no B-frames came"


def test_sixteen_viewers_of_one_camera_get_the_same_pictures(centre: Any) -> None:
    with ExitStack() as stack:
        viewers = [stack.enter_context(centre.viewer(1)) for _ in range(16)]

        def watch(viewer: LiveViewer) -> None:
            viewer.take(45)

        threads = [threading.Thread(target=watch, args=(viewer,)) for viewer in viewers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert all(len(viewer.pictures) >= 45 for viewer in viewers)
    begins = max(viewer.pictures[0].arrived_us for viewer in viewers)
    ends = min(viewer.pictures[-1].arrived_us for viewer in viewers)
    seen = [[one.data for one in viewer.pictures if begins <= one.arrived_us <= ends] for viewer in viewers]
    assert len(seen[0]) > 10
    assert all(one == seen[0] for one in seen[1:])
    assert len({viewer.inits[0].data for viewer in viewers}) == 1


def test_a_slow_viewer_skips_to_a_key_frame_and_another_one_misses_nothing(centre: Any) -> None:
    with centre.viewer(NUMBERS["large"], slow=True) as slow, centre.viewer(NUMBERS["large"]) as quick:
        quick.take(1)
        began = quick.pictures[0].arrived_us
        # Until far more has come than the kernel and the outbox hold for two seconds.
        quick.until(lambda _: quick.pictures[-1].arrived_us - began > 12_000_000)
        ended = quick.pictures[-1].arrived_us
        slow.until(lambda _: slow.pictures and slow.pictures[-1].arrived_us >= ended)
    missed = {one.arrived_us for one in quick.pictures} - {one.arrived_us for one in slow.pictures}
    assert len(missed) > 15, "more than a second was left out"
    leaps = [(a, b) for a, b in itertools.pairwise(slow.pictures) if b.arrived_us - a.arrived_us > 400_000]
    assert leaps
    assert all(after.key for _, after in leaps), "it was gone on at a key frame"
    distances = [b.times[0] - a.times[0] for a, b in itertools.pairwise(quick.pictures)]
    assert max(distances) < 2 * 6000, "the other one missed pictures"


def test_h265_that_a_browser_does_not_play_is_one_decoded_picture_a_second(centre: Any) -> None:
    with centre.viewer(NUMBERS["h265"], h265=0, language="vi") as viewer:
        pictures = viewer.take(3)
        (said,) = viewer.said
    assert (said["type"], said["mode"]) == ("stream", "keyframes")
    assert said["why"].startswith("Trình duyệt này không phát được H.265")
    for one in pictures:
        assert one.kind == JPEG
        image = Image.open(io.BytesIO(one.data))
        image.load()
        assert image.size == (640, 360)
    gaps = [b.arrived_us - a.arrived_us for a, b in itertools.pairwise(pictures)]
    assert min(gaps) >= 900_000


def test_who_looks_is_remembered_before_he_sees_anything(centre: Any) -> None:
    with centre.viewer(NUMBERS["h264"]) as viewer:
        first = viewer.until(lambda said: isinstance(said, Binary))
        assert isinstance(first, Binary)
        with centre.database.read() as session:
            look = session.scalars(sa.select(LookRow).where(LookRow.camera_id == centre.cameras[0])).first()
    assert look is not None
    assert look.kind == "live"


def test_a_session_that_is_ended_ends_what_it_watches(centre: Any) -> None:
    with centre.database.write() as session:
        account = session.scalars(sa.select(Account).where(Account.name == "trucban1")).one()
        mine = accounts.open_session(session, account, "127.0.0.1", utc_now())
    cookie = f"vonggac_session={mine.token}"
    with LiveViewer(centre.address, 1, cookie) as viewer, centre.viewer(1) as another:
        viewer.take(2)
        with centre.database.write() as session:
            found = accounts.visitor(session, mine.token, utc_now())
            assert found is not None
            accounts.close_session(session, found[0].session_key)
        viewer.until(lambda said: isinstance(said, dict) and said["type"] == "ended")
        assert viewer.said[-1] == {"type": "ended", "why": "session"}
        assert viewer.next() is None
        assert viewer.closed == 4401
        another.take(20)


@pytest.mark.parametrize(
    ("camera", "asked", "status"),
    [(999, {}, 4404), (1, {"stream": "third"}, 4400), (1, {"h265": "yes"}, 4400)],
)
def test_what_cannot_be_shown_is_closed_with_the_reason(
    centre: Any, camera: int, asked: dict[str, Any], status: int
) -> None:
    with centre.viewer(camera, **asked) as viewer:
        assert viewer.next() is None
        assert viewer.closed == status


@pytest.mark.parametrize("nonsense", ['{"stream":"third"}', "x", b"bytes"])
def test_a_page_that_talks_nonsense_is_let_go(centre: Any, nonsense: str | bytes) -> None:
    with centre.viewer(1) as viewer:
        viewer.take(1)
        viewer.socket.send(nonsense)
        while viewer.next() is not None:
            pass
        assert viewer.closed == 1008


def test_the_figures_say_what_is_watched(centre: Any) -> None:
    with centre.viewer(1) as viewer:
        viewer.take(5)
        import urllib.request

        with urllib.request.urlopen(f"{centre.address}/metrics", timeout=20) as answer:
            said = answer.read().decode()
    lines = dict(line.rsplit(" ", 1) for line in said.splitlines() if not line.startswith("#"))
    assert float(lines["vonggac_live_sockets"]) >= 1
    assert float(lines["vonggac_live_pictures_total"]) >= 5


def test_a_recorder_that_is_killed_is_told_and_pictures_come_back_by_themselves(centre: Any) -> None:
    with centre.viewer(1) as viewer:
        viewer.take(5)
        centre.end("recorder", signal.SIGKILL)
        viewer.until(lambda said: isinstance(said, dict) and said["type"] == "away")
        assert viewer.said[-1]["words"] == "The recorder of this camera does not answer"
        assert viewer.said[-1]["since_ms"] <= time.time() * 1000
        centre.start("recorder")
        viewer.until(lambda said: isinstance(said, dict) and said["type"] == "stream", 60)
        assert viewer.take(20)[0].key
    assert [said["type"] for said in viewer.said if said["type"] != "alive"][-1] == "stream"
