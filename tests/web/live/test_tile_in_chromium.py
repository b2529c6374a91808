"""The tile in Chromium on a page of a real centre: it plays, says what is not the present, comes back by itself."""

from __future__ import annotations

import signal
from typing import Any

import pytest

pytestmark = pytest.mark.slow

LIVE = "() => states.length > 0 && states.at(-1).kind === 'live'"


@pytest.mark.parametrize("number", [1, 2], ids=["h264", "h264-b"])
def test_a_tile_plays_close_behind_the_present(looking: Any, number: int) -> None:
    looking.mount(number)
    looking.wait(LIVE)
    looking.wait("() => tile.video.currentTime > 0 && tile.video.videoWidth === 640")
    looking.wait("() => tile.video.getVideoPlaybackQuality().totalVideoFrames > 60")
    looking.wait("() => tile.lagMs() > 0 && tile.lagMs() < 2000")
    assert looking.page.evaluate("tile.video.buffered.length") == 1, "a hole in what it got"
    assert looking.page.evaluate("host.dataset.live") == "live"


def test_what_was_shown_is_thrown_away(looking: Any) -> None:
    looking.mount(1)
    looking.wait("() => tile.video.buffered.length && tile.video.buffered.start(0) > 20.1")
    looking.wait("() => tile.video.currentTime - tile.video.buffered.start(0) < 10")
    assert looking.kinds()[-1] == "live"


def test_h265_that_chromium_does_not_play_is_shown_in_key_frames_and_said_so(looking: Any) -> None:
    looking.page.evaluate("MediaSource.isTypeSupported = () => false")
    looking.mount(3)
    looking.wait("() => states.at(-1).kind === 'keyframes'")
    looking.wait("() => tile.video instanceof HTMLImageElement && tile.video.naturalWidth === 640")
    said = looking.page.locator(".live-line").inner_text()
    assert said.startswith("Trình duyệt này không phát được H.265")
    first = looking.page.evaluate("tile.screen.shownMs()")
    looking.wait(f"() => tile.screen.shownMs() > {first}")


def test_a_stream_that_fails_at_its_first_picture_is_asked_for_ever_more_seldom(looking: Any) -> None:
    looking.mount(1)
    looking.page.evaluate("""() => {
      window.failures = 0;
      setInterval(() => {
        if (tile.screen?.element !== window.failed && tile.video.readyState >= 2) {
          window.failed = tile.screen.element;
          window.failures += 1;
          tile.video.dispatchEvent(new Event('error'));
        }
      }, 20);
    }""")
    looking.wait("() => failures >= 4")
    assert looking.page.evaluate("tile.retryMs") >= 8000


def test_a_tile_that_is_stopped_leaves_nothing_behind(looking: Any) -> None:
    looking.mount(1)
    looking.wait(LIVE)
    looking.page.evaluate("window.line = tile.socket; window.film = tile.video; tile.stop()")
    assert looking.page.evaluate("host.children.length") == 0
    assert looking.page.evaluate("film.getAttribute('src')") is None
    looking.wait("() => line.readyState === WebSocket.CLOSED")


def test_a_picture_that_grows_old_is_veiled_with_its_age_and_never_shown_as_live(looking: Any, centre: Any) -> None:
    looking.mount(1)
    looking.wait(LIVE)
    centre.running["web"].send_signal(signal.SIGSTOP)
    try:
        looking.wait("() => states.at(-1).kind === 'stale' && states.at(-1).ageMs > 2000")
        assert looking.page.locator(".live-line").inner_text().startswith("old by")
        assert "grayscale" in looking.page.evaluate("getComputedStyle(tile.video).filter")
    finally:
        centre.running["web"].send_signal(signal.SIGCONT)
    looking.wait(LIVE)


def test_a_lost_recorder_is_said_in_words_and_the_tile_comes_back(looking: Any, centre: Any) -> None:
    looking.mount(1)
    looking.wait(LIVE)
    centre.end("recorder", signal.SIGKILL)
    looking.wait("() => states.at(-1).kind === 'away'")
    assert looking.page.evaluate("states.at(-1).words") == "Máy ghi của camera này không trả lời"
    looking.page.evaluate("window.before = tile.video")
    centre.start("recorder")
    looking.wait(LIVE)
    assert looking.page.evaluate("tile.video !== before && host.querySelectorAll('video').length === 1")


def test_a_restarted_web_is_found_again_without_a_reload(looking: Any, centre: Any) -> None:
    looking.mount(1)
    looking.wait(LIVE)
    port = int(centre.address.rpartition(":")[2])
    centre.end("web")
    looking.wait("() => states.at(-1).kind === 'stale'")
    centre.web(port)
    looking.wait(LIVE)
    assert "ended" not in looking.kinds()


def test_a_log_in_that_is_over_ends_the_tile_for_good(looking: Any, centre: Any) -> None:
    looking.page.context.clear_cookies()
    looking.mount(1)
    looking.wait("() => states.at(-1).kind === 'ended'")
    assert looking.page.evaluate("tile.socket") is None
