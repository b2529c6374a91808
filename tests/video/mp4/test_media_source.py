"""Our bytes in a browser: through Media Source (W3C Media Source Extensions) as playback feeds them, clips as files."""

from __future__ import annotations

import base64
from io import BytesIO
from itertools import pairwise
from typing import Any

import pytest

from peers import sound
from vonggac.video.mp4 import ClipPart, codec_string, scan, write_clip

pytestmark = pytest.mark.slow

PLAYER = """
async ({mime, parts, times, block, bits}) => {
  const video = document.createElement('video');
  const told = {error: null, buffered: [], numbers: []};
  const happens = (target, good) => new Promise((resolve, reject) => {
    target.addEventListener(good, resolve, {once: true});
    target.addEventListener('error', () => reject(new Error(video.error ? video.error.message : 'no ' + good)));
    setTimeout(() => reject(new Error('waited in vain for ' + good)), 10000);
  });
  // After a seek the old picture may be painted once more; the callback says which one is there.
  const painted = time => new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error('no picture at ' + time)), 10000);
    const look = (now, picture) => picture.mediaTime <= time && time < picture.mediaTime + 1 / 15
      ? resolve() : video.requestVideoFrameCallback(look);
    video.requestVideoFrameCallback(look);
  });
  video.muted = true;
  document.body.append(video);
  try {
    const pieces = parts.map(part => Uint8Array.from(atob(part), letter => letter.charCodeAt(0)));
    if (mime) {
      const source = new MediaSource();
      const opened = happens(source, 'sourceopen');
      video.src = URL.createObjectURL(source);
      await opened;
      const buffer = source.addSourceBuffer(mime);
      for (const piece of pieces) {
        const done = happens(buffer, 'updateend');
        buffer.appendBuffer(piece);
        await done;
      }
      source.endOfStream();  // a decoder that reorders keeps its last pictures back until it knows that no more come
    } else {
      const known = happens(video, 'loadedmetadata');
      video.src = URL.createObjectURL(new Blob(pieces, {type: 'video/mp4'}));
      await known;
    }
    for (let index = 0; index < video.buffered.length; index++)
      told.buffered.push([video.buffered.start(index), video.buffered.end(index)]);
    const canvas = new OffscreenCanvas(16, 16);
    const pen = canvas.getContext('2d', {willReadFrequently: true});
    for (const time of times) {
      const there = painted(time);
      video.currentTime = time;
      await there;
      let number = 0;
      for (let bit = 0; bit < bits; bit++) {
        pen.drawImage(video, bit * block + 4, 4, 8, 8, 0, 0, 1, 1);
        if (pen.getImageData(0, 0, 1, 1).data[1] > 128) number |= 1 << bit;
      }
      told.numbers.push(number);
    }
  } catch (error) {
    told.error = String(error);
  }
  return told;
}
"""


@pytest.fixture
def shown_by_chromium(browser) -> Any:
    """Feed init segment and fragments one by one, or with no codec a file; look at the pictures at these seconds."""
    page = browser.new_page()
    page.set_default_timeout(30_000)

    def show(codec: str | None, parts: list[bytes], times: list[float]) -> dict[str, Any]:
        told: dict[str, Any] = page.evaluate(
            PLAYER,
            {
                "mime": codec and f'video/mp4; codecs="{codec}"',
                "parts": [base64.b64encode(part).decode() for part in parts],
                "times": times,
                "block": 16,
                "bits": 12,
            },
        )
        return told

    return show


def pieces(recorded) -> list[bytes]:
    ends = [0, *recorded.ends]
    return [recorded.data[begin:end] for begin, end in pairwise(ends)]


def seen_at(numbers: list[int], origin: float = 0.0) -> list[float]:
    """The middle of each picture at 15 a second."""
    return [origin + (number + 0.5) / 15 for number in numbers]


@pytest.mark.parametrize("b_frames", [0, 3])
@pytest.mark.parametrize("origin_s", [0, 100_000], ids=["first file", "a day into the run"])
def test_a_browser_shows_each_picture_at_its_media_time(b_frames, origin_s, encode, recorder, shown_by_chromium):
    material = encode(60, group=20, b_frames=b_frames)
    recorded = recorder(material.groups(), origin=origin_s * 90_000)
    numbers = [0, 1, 19, 20, 33, 59]
    told = shown_by_chromium(codec_string(material.parameters), pieces(recorded), seen_at(numbers, origin_s))
    assert told["error"] is None
    assert told["numbers"] == numbers
    ((start, end),) = told["buffered"]
    assert start == pytest.approx(origin_s, abs=0.001)
    assert end == pytest.approx(origin_s + 4, abs=0.001)


def test_h265_is_shown_or_refused_just_as_the_browser_says_beforehand(hevc, recorder, browser, shown_by_chromium):
    """Debian's Chromium has no decoder of H.265 of its own: then a page must know before it asks for pictures."""
    codec = codec_string(hevc.parameters)
    page = browser.new_page()
    supported = page.evaluate('codec => MediaSource.isTypeSupported(`video/mp4; codecs="${codec}"`)', codec)
    told = shown_by_chromium(codec, pieces(recorder(hevc.groups())), seen_at([0, 7, 15, 29]))
    assert (told["numbers"] == [0, 7, 15, 29]) is supported
    assert ("NotSupportedError" in (told["error"] or "")) is not supported


def test_the_next_file_of_a_run_continues_without_a_hole(encode, recorder, shown_by_chromium):
    groups = encode(60, b_frames=3).groups()
    first, second = recorder(groups[:2], last_end=180_000), recorder(groups[2:])
    told = shown_by_chromium(
        codec_string(groups[0][0].parameters), pieces(first) + pieces(second), seen_at([0, 29, 30, 59])
    )
    assert told["error"] is None
    assert told["numbers"] == [0, 29, 30, 59]
    assert len(told["buffered"]) == 1


def test_pieces_of_a_group_and_single_pictures_play_like_whole_groups(encode, recorder, shown_by_chromium):
    material = encode(30)
    groups = material.groups()
    recorded = recorder([groups[0][:7], groups[0][7:], *([unit] for unit in groups[1])])
    told = shown_by_chromium(codec_string(material.parameters), pieces(recorded), seen_at([0, 6, 7, 14, 15, 22, 29]))
    assert told["error"] is None
    assert told["numbers"] == [0, 6, 7, 14, 15, 22, 29]
    assert len(told["buffered"]) == 1


def test_more_reordering_than_the_delay_allows_is_shown_all_the_same(encode, recorder, shown_by_chromium):
    material = encode(60, group=20, b_frames=3)
    recorded = recorder(material.groups(), delay=0)
    numbers = [0, 1, 2, 3, 4, 5, 21, 58]
    told = shown_by_chromium(codec_string(material.parameters), pieces(recorded), seen_at(numbers))
    assert told["error"] is None
    assert told["numbers"] == numbers


def test_times_that_a_camera_repeats_do_not_stop_a_browser(encode, recorder, shown_by_chromium):
    material = encode(45)
    for unit in material.units[5:8]:
        unit.pts = material.units[5].pts
    material.units[20].pts -= 9000
    recorded = recorder([[*group] for group in material.groups()])
    assert sum(timing.moved for timing in recorded.timings) == 3
    told = shown_by_chromium(codec_string(material.parameters), pieces(recorded), seen_at([0, 4, 8, 30, 44]))
    assert told["error"] is None
    assert told["numbers"] == [0, 4, 8, 30, 44]
    assert len(told["buffered"]) == 1


@pytest.mark.parametrize("b_frames", [0, 3])
def test_a_clip_plays_as_a_file_over_a_change_of_parameters(b_frames, encode, recorder, shown_by_chromium):
    first, second = encode(30, b_frames=b_frames), encode(30, b_frames=b_frames, first=30, width=208)
    parts = []
    for index, material in enumerate((first, second, encode(30, b_frames=b_frames, first=60))):
        recorded = recorder(material.groups())
        parts.append(ClipPart(recorded.file, scan(recorded.file()).entries(), index * 2_000_000))
    out = BytesIO()
    write_clip(parts, out)
    numbers = [0, 1, 29, 30, 45, 59, 60, 89]
    told = shown_by_chromium(None, [out.getvalue()], seen_at(numbers))
    assert told["error"] is None
    assert told["numbers"] == numbers


@pytest.mark.parametrize("skip", [range(0), range(10, 12)], ids=["whole", "frames lost"])
def test_a_browser_shows_each_picture_beside_sound(skip, encode, shown_by_chromium):
    material = encode(60, group=20)
    data = sound.recording_with_sound(material, sound.coded(4.2, [1.0, 2.0]), skip=skip)
    scanned = scan(BytesIO(data))
    ends = [0, scanned.init.size, *(group.offset + group.size for group in scanned.groups)]
    parts = [data[begin:end] for begin, end in pairwise(ends)]
    numbers = [0, 1, 19, 20, 33, 58]
    told = shown_by_chromium(f"{codec_string(material.parameters)}, mp4a.40.2", parts, seen_at(numbers))
    assert told["error"] is None
    assert told["numbers"] == numbers
    assert told["buffered"] == [[pytest.approx(0, abs=0.001), pytest.approx(4, abs=0.1)]]


def test_a_clip_with_sound_plays_as_a_file_over_a_gap(encode, shown_by_chromium):
    material = encode(30, group=10)
    data = sound.recording_with_sound(material, sound.coded(2.2, [1.0]))
    parts = [ClipPart(lambda: BytesIO(data), scan(BytesIO(data)).entries(), start) for start in (0, 5_000_000)]
    out = BytesIO()
    write_clip(parts, out)
    told = shown_by_chromium(None, [out.getvalue()], [0.5 / 15, 29.5 / 15, 5.5, 6.9])
    assert told["error"] is None
    assert told["numbers"] == [0, 29, 7, 28]
