"""What players make of our playlists, over HTTP: FFmpeg decodes every picture, hls.js shows each at its moment."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest

from peers import sound
from peers.coded import HEIGHT, WIDTH, encode_numbers, picture_number, record
from peers.footage import Footage
from vonggac.video.models import GapReason, RecordingState

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

pytestmark = pytest.mark.slow

SECOND = 1_000_000
HLS_JS = Path(__file__).parents[2] / "node_modules" / "hls.js" / "dist" / "hls.light.min.js"
PASSWORD = "một mật khẩu dài"

PLAYER = """
async ({address, moments}) => {
  const video = document.createElement('video');
  video.muted = true;
  document.body.append(video);
  const told = {errors: [], shown: [], codecs: []};
  const hls = new Hls({enableWorker: false, startPosition: 0});
  hls.on(Hls.Events.ERROR, (name, what) => told.errors.push(`${what.details} ${what.fatal} ${what.error || ''}`));
  hls.on(Hls.Events.BUFFER_CODECS, (name, what) =>
    told.codecs.push(...Object.values(what).filter(one => one && one.codec).map(one => one.codec)));
  let details;
  const listed = new Promise((resolve, reject) => {
    hls.on(Hls.Events.LEVEL_UPDATED, (name, what) => { details = what.details; resolve(); });
    setTimeout(() => reject(new Error('no playlist')), 20000);
  });
  hls.loadSource(address);
  hls.attachMedia(video);
  try { await listed; } catch (error) { told.errors.push(String(error)); return told; }
  const place = moment => {
    const piece = details.fragments.findLast(one => one.programDateTime <= moment);
    return piece.start + (moment - piece.programDateTime) / 1000;
  };
  const covered = at => {
    for (let index = 0; index < video.buffered.length; index++)
      if (video.buffered.start(index) <= at && at < video.buffered.end(index) - 0.001) return true;
    return false;
  };
  const pen = new OffscreenCanvas(16, 16).getContext('2d', {willReadFrequently: true});
  const number = () => {
    let found = 0;
    for (let bit = 0; bit < 12; bit++) {
      pen.drawImage(video, bit * 16 + 4, 4, 8, 8, 0, 0, 1, 1);
      if (pen.getImageData(0, 0, 1, 1).data[1] > 128) found |= 1 << bit;
    }
    return found;
  };
  const pause = () => new Promise(resolve => setTimeout(resolve, 50));
  for (const moment of moments) {
    // Where a segment lies in the player's time is known for good once it is loaded: seek until both agree, and again
    // then: within two pictures' length before what is buffered Chromium takes a seek for one to its beginning.
    let at = null;
    let again = 0;
    for (let tries = 0; tries < 200; tries++) {
      const now = place(moment);
      if (at === null || Math.abs(now - at) > 0.001) { video.currentTime = at = now; again = 0; }
      else if (covered(at) && !video.seeking && video.readyState >= 2) {
        if (again++ === 3) break;
        video.currentTime = at;
      }
      await pause();
    }
    // A decoder may paint the picture of the seek a little later.
    let before = -1;
    for (let same = 0, tries = 0; same < 4 && tries < 100; tries++) {
      const now = number();
      same = now === before ? same + 1 : 0;
      before = now;
      await pause();
    }
    told.shown.push(before);
  }
  hls.destroy();
  return told;
}
"""


@pytest.fixture
def begin() -> int:
    """An hour ago, on a whole second."""
    return (time.time_ns() // 1_000_000_000 - 3600) * SECOND


@pytest.fixture
def footage(district: Any, tmp_path: Path) -> Footage:
    """The recordings of camera 1."""
    return Footage(district.database, district.cameras["Chợ Liên Nghĩa"], tmp_path / "media")


@pytest.fixture
def visitor(web: str) -> Iterator[httpx.Client]:
    """Somebody who is logged in, as a program."""
    with httpx.Client(base_url=web, timeout=60) as client:
        form = client.get("/login", headers={"accept": "text/html"}).text
        token = form.partition('name="csrf" value="')[2].partition('"')[0]
        answer = client.post("/login", data={"name": "trucban1", "password": PASSWORD, "csrf": token})
        assert answer.status_code == 303, answer.text
        yield client


def address(begin_us: int, seconds: float, more: str = "") -> str:
    return f"/playback/1/playlist.m3u8?from={begin_us // 1000}&to={begin_us // 1000 + round(seconds * 1000)}{more}"


@pytest.fixture
def pictures_by_ffmpeg(web: str, visitor: httpx.Client) -> Callable[[str], list[int]]:
    """The numbers of the pictures that FFmpeg decodes of a playlist, in order; fails where it complains of them."""

    def play(path: str) -> list[int]:
        cookies = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
        command = [
            "ffmpeg", "-nostdin", "-v", "warning", "-headers", f"Cookie: {cookies}\r\n", "-i", web + path,
            "-map", "0:v:0", "-fps_mode", "passthrough", "-vf", f"crop={WIDTH}:{HEIGHT}:0:0", "-f", "rawvideo",
            "-pix_fmt", "gray", "-",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, timeout=90)
        assert done.returncode == 0, done.stderr
        # It takes the head of the first recording for all, says so of each other, and nothing else.
        usual = ("duplicated MOOV", "message repeated")
        said = [line for line in done.stderr.decode().splitlines() if not any(one in line for one in usual)]
        assert said == []
        pictures = np.frombuffer(done.stdout, np.uint8).reshape(-1, HEIGHT, WIDTH)
        return [picture_number(picture) for picture in pictures]

    return play


@pytest.fixture
def shown_by_hls_js(context: BrowserContext, web: str, visitor: httpx.Client) -> Callable[[str, list[float]], Any]:
    """Which pictures hls.js shows at these moments (milliseconds since 1970)."""
    context.add_cookies([{"name": name, "value": value, "url": web} for name, value in visitor.cookies.items()])
    page: Page = context.new_page()
    page.set_default_timeout(90_000)
    page.goto(f"{web}/health")
    page.evaluate(HLS_JS.read_text("utf-8"))

    def show(path: str, moments: list[float]) -> Any:
        return page.evaluate(PLAYER, {"address": path, "moments": moments})

    return show


def moments_of(begin_us: int, numbers: list[int], first: int = 0) -> list[float]:
    """The middle of each picture at 15 a second."""
    return [begin_us / 1000 + (number - first + 0.5) * 1000 / 15 for number in numbers]


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_ffmpeg_decodes_every_picture_of_a_run_in_several_files_with_b_frames(
    codec: str, footage: Footage, begin: int, pictures_by_ffmpeg: Callable[[str], list[int]]
) -> None:
    material = encode_numbers(60, group=15, b_frames=3, codec=codec)
    groups = material.groups()
    footage.put(begin, record(groups[:2], last_end=180_000))
    footage.put(begin + 2 * SECOND, record(groups[2:]))
    assert pictures_by_ffmpeg(address(begin, 4)) == list(range(60))
    assert pictures_by_ffmpeg(address(begin + SECOND, 2)) == list(range(15, 45))
    assert pictures_by_ffmpeg(address(begin, 4, "&keys=1")) == [0, 15, 30, 45]


def test_ffmpeg_decodes_what_lies_before_and_after_a_gap_and_what_is_being_written(
    footage: Footage, begin: int, pictures_by_ffmpeg: Callable[[str], list[int]]
) -> None:
    material = encode_numbers(30)
    footage.put(begin, record(material.groups()))
    footage.gap(begin + 2 * SECOND, begin + 30 * SECOND, GapReason.TIMED_OUT)
    footage.put(begin + 30 * SECOND, record(encode_numbers(30, first=30).groups()), run=2)
    footage.put(
        begin + 32 * SECOND, record(encode_numbers(45, first=60).groups()), run=3, state=RecordingState.OPEN, cut=9
    )
    assert pictures_by_ffmpeg(address(begin, 40)) == list(range(90))


def test_ffmpeg_decodes_each_side_of_a_change_of_parameters(
    footage: Footage, begin: int, pictures_by_ffmpeg: Callable[[str], list[int]]
) -> None:
    """Its demuxer of HLS takes the first head for all, so one playlist over the change is beyond it."""
    footage.put(begin, record(encode_numbers(30).groups()))
    footage.put(begin + 2 * SECOND, record(encode_numbers(30, first=30, width=208).groups(), origin=180_000))
    assert pictures_by_ffmpeg(address(begin, 2)) == list(range(30))
    assert pictures_by_ffmpeg(address(begin + 2 * SECOND, 2)) == list(range(30, 60))


@pytest.mark.parametrize("b_frames", [0, 3])
def test_hls_js_shows_each_picture_at_its_moment_over_files_a_change_of_parameters_and_a_gap(
    b_frames: int, footage: Footage, begin: int, shown_by_hls_js: Callable[[str, list[float]], Any]
) -> None:
    groups = encode_numbers(60, group=15, b_frames=b_frames).groups()
    a_day = 86_400 * 90_000
    footage.put(begin, record(groups[:2], origin=a_day, last_end=a_day + 180_000))
    footage.put(begin + 2 * SECOND, record(groups[2:], origin=a_day, last_end=a_day + 360_000))
    other = encode_numbers(30, first=60, width=208, b_frames=b_frames)
    footage.put(begin + 4 * SECOND, record(other.groups(), origin=a_day + 360_000))
    footage.put(begin + 60 * SECOND, record(encode_numbers(30, first=90, b_frames=b_frames).groups()), run=2)
    early, late = [0, 1, 14, 15, 31, 44, 60, 75, 88], [90, 91, 104, 105, 118]
    told = shown_by_hls_js(address(begin, 70), moments_of(begin, early) + moments_of(begin + 60 * SECOND, late, 90))
    assert told["errors"] == []
    assert told["shown"] == early + late


def test_hls_js_shows_key_frames_alone_forwards_and_back_over_what_is_loaded(
    footage: Footage, begin: int, shown_by_hls_js: Callable[[str, list[float]], Any]
) -> None:
    groups = encode_numbers(135, group=15, b_frames=3).groups()
    footage.put(begin, record(groups[:3], last_end=270_000))
    footage.put(begin + 3 * SECOND, record(groups[3:]))
    numbers = [0, 15, 30, 45, 60]  # the last ones are left: a decoder keeps some back until it knows what follows
    there_and_back = numbers + numbers[::-1]
    told = shown_by_hls_js(address(begin, 9, "&keys=1"), moments_of(begin, there_and_back))
    assert (told["errors"], told["shown"]) == ([], there_and_back)


def test_hls_js_shows_pictures_whatever_became_of_the_sound_beside_them(
    footage: Footage, begin: int, shown_by_hls_js: Callable[[str, list[float]], Any]
) -> None:
    material = encode_numbers(90)
    heard = sound.coded(6.2, [1.0, 5.0])
    footage.put(begin, sound.recording_with_sound(material, heard, skip=range(31, 79)))
    numbers = [0, 20, 37, 60, 89]
    silent = shown_by_hls_js(address(begin, 6), moments_of(begin, numbers))
    assert (silent["errors"], silent["shown"]) == ([], numbers)
    assert set(silent["codecs"]) == {"avc1.64000A"}
    footage.put(begin + 60 * SECOND, sound.recording_with_sound(material, heard), run=2)
    audible = shown_by_hls_js(address(begin + 60 * SECOND, 6, "&sound=1"), moments_of(begin + 60 * SECOND, numbers))
    assert (audible["errors"], audible["shown"]) == ([], numbers)
    assert set(audible["codecs"]) == {"mp4a.40.2,avc1.64000A"}


def test_hls_js_plays_on_into_what_is_written_meanwhile(
    footage: Footage, shown_by_hls_js: Callable[[str, list[float]], Any]
) -> None:
    begin = (time.time_ns() // 1_000_000_000 - 20) * SECOND
    groups = encode_numbers(60).groups()
    key = footage.put(begin, record(groups[:3]), state=RecordingState.OPEN)
    told = shown_by_hls_js(address(begin, 600), moments_of(begin, [0, 20]))
    assert (told["errors"], told["shown"]) == ([], [0, 20])
    footage.file(key).write_bytes(record(groups).data)
    told = shown_by_hls_js(address(begin, 600), moments_of(begin, [20, 40]))
    assert (told["errors"], told["shown"]) == ([], [20, 40])
