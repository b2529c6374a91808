"""The tile in Chromium on a page of a real centre: it plays, says what is not the present, comes back by itself."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
LIMIT_MS = 60_000
MOUNT = """([number, stream]) => {
  const host = document.createElement('div');
  host.style.width = '640px';
  host.style.height = '360px';
  host.dataset.words = '{"live_stale": "old by {age}"}';
  document.getElementById('content').prepend(host);
  window.host = host;
  window.states = [];
  window.tile = new tiles.LiveTile(host, String(number), {stream, says: true});
  tile.onState = (state) => states.push(state);
  tile.start();
}"""
LIVE = "() => states.length > 0 && states.at(-1).kind === 'live'"


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The tile's script alone, as a page of the wall has it in its bundle."""
    out = tmp_path_factory.mktemp("tile") / "tile.js"
    command = [ROOT / "node_modules/.bin/esbuild", ROOT / "src/vonggac/web/ui/live/tile.ts", f"--outfile={out}"]
    options = ["--bundle", "--format=iife", "--global-name=tiles", "--log-level=warning"]
    subprocess.run([*map(str, command), *options], check=True, timeout=60)
    return out.read_text("utf-8") + ";window.tiles = tiles"


class Looking:
    """A page with a tile on it."""

    def __init__(self, page: Page, centre: Any, script: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(f"{centre.address}/health")
        page.evaluate(script)

    def mount(self, number: int = 1, stream: str = "auto") -> None:
        self.page.evaluate(MOUNT, [number, stream])

    def wait(self, condition: str) -> Any:
        return self.page.wait_for_function(condition, timeout=LIMIT_MS).json_value()

    def kinds(self) -> list[str]:
        kinds: list[str] = self.page.evaluate("states.map((state) => state.kind)")
        return kinds


@pytest.fixture
def looking(browser: Browser, centre: Any, script: str) -> Iterator[Looking]:
    """A logged-in officer's page, without a tile yet."""
    context = browser.new_context(locale="vi-VN", viewport={"width": 1366, "height": 768})
    context.add_cookies([{"name": "vonggac_session", "value": centre.token, "url": centre.address}])
    made = Looking(context.new_page(), centre, script)
    yield made
    assert made.complaints == []
    context.close()


@pytest.mark.parametrize("number", [1, 2], ids=["h264", "h264-b"])
def test_a_tile_plays_close_behind_the_present(looking: Looking, number: int) -> None:
    looking.mount(number)
    looking.wait(LIVE)
    looking.wait("() => tile.video.currentTime > 0 && tile.video.videoWidth === 640")
    looking.wait("() => tile.video.getVideoPlaybackQuality().totalVideoFrames > 60")
    looking.wait("() => tile.lagMs() > 0 && tile.lagMs() < 2000")
    assert looking.page.evaluate("tile.video.buffered.length") == 1, "a hole in what it got"
    assert looking.page.evaluate("host.dataset.live") == "live"


def test_what_was_shown_is_thrown_away(looking: Looking) -> None:
    looking.mount(1)
    looking.wait("() => tile.video.buffered.length && tile.video.buffered.start(0) > 20.1")
    looking.wait("() => tile.video.currentTime - tile.video.buffered.start(0) < 10")
    assert looking.kinds()[-1] == "live"


def test_h265_that_chromium_does_not_play_is_shown_in_key_frames_and_said_so(looking: Looking) -> None:
    looking.page.evaluate("MediaSource.isTypeSupported = () => false")
    looking.mount(3)
    looking.wait("() => states.at(-1).kind === 'keyframes'")
    looking.wait("() => tile.video instanceof HTMLImageElement && tile.video.naturalWidth === 640")
    said = looking.page.locator(".live-line").inner_text()
    assert said.startswith("Trình duyệt này không phát được H.265")
    first = looking.page.evaluate("tile.screen.shownMs()")
    looking.wait(f"() => tile.screen.shownMs() > {first}")


def test_a_tile_that_is_stopped_leaves_nothing_behind(looking: Looking) -> None:
    looking.mount(1)
    looking.wait(LIVE)
    looking.page.evaluate("window.line = tile.socket; window.film = tile.video; tile.stop()")
    assert looking.page.evaluate("host.children.length") == 0
    assert looking.page.evaluate("film.getAttribute('src')") is None
    looking.wait("() => line.readyState === WebSocket.CLOSED")


def test_a_picture_that_grows_old_is_veiled_with_its_age_and_never_shown_as_live(looking: Looking, centre: Any) -> None:
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


def test_a_lost_recorder_is_said_in_words_and_the_tile_comes_back(looking: Looking, centre: Any) -> None:
    looking.mount(1)
    looking.wait(LIVE)
    centre.end("recorder", signal.SIGKILL)
    looking.wait("() => states.at(-1).kind === 'away'")
    assert looking.page.evaluate("states.at(-1).words") == "Máy ghi của camera này không trả lời"
    looking.page.evaluate("window.before = tile.video")
    centre.start("recorder")
    looking.wait(LIVE)
    assert looking.page.evaluate("tile.video !== before && host.querySelectorAll('video').length === 1")


def test_a_restarted_web_is_found_again_without_a_reload(looking: Looking, centre: Any) -> None:
    looking.mount(1)
    looking.wait(LIVE)
    port = int(centre.address.rpartition(":")[2])
    centre.end("web")
    looking.wait("() => states.at(-1).kind === 'stale'")
    centre.web(port)
    looking.wait(LIVE)
    assert "ended" not in looking.kinds()


def test_a_log_in_that_is_over_ends_the_tile_for_good(looking: Looking, centre: Any) -> None:
    looking.page.context.clear_cookies()
    looking.mount(1)
    looking.wait("() => states.at(-1).kind === 'ended'")
    assert looking.page.evaluate("tile.socket") is None
