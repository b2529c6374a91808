import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { openFragments, openInit, TIMESCALE } from "../../../src/vonggac/web/ui/playback/boxes.ts";
import { readPlaylist } from "../../../src/vonggac/web/ui/playback/playlist.ts";
import { Shelf } from "../../../src/vonggac/web/ui/playback/shelf.ts";

const PLAYLIST = `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:2
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-MAP:URI="recording/7.mp4",BYTERANGE="700@0"
#EXT-X-PROGRAM-DATE-TIME:2026-11-24T07:03:05.250Z
#EXTINF:2.000000,
#EXT-X-BYTERANGE:1000@700
recording/7.mp4
#EXTINF:1.500000,
#EXT-X-BYTERANGE:900
recording/7.mp4
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="recording/8.mp4",BYTERANGE="710@0"
#EXT-X-PROGRAM-DATE-TIME:2026-11-24T07:10:00.000500Z
#EXTINF:2,
key/8/0.m4s
#EXT-X-ENDLIST
`;
const AT = Date.UTC(2026, 10, 24, 7, 3, 5, 250);
const LATER = Date.UTC(2026, 10, 24, 7, 10) + 0.5;

test("a playlist says which bytes hold which moments", () => {
  const found = readPlaylist(PLAYLIST, "https://centre.test/playback/abc/playlist.m3u8?from=1&to=2");
  const first = { uri: "https://centre.test/playback/abc/recording/7.mp4", range: [0, 700] };
  assert.deepEqual(found, [
    { uri: first.uri, range: [700, 1700], fromMs: AT, toMs: AT + 2000, init: first },
    { uri: first.uri, range: [1700, 2600], fromMs: AT + 2000, toMs: AT + 3500, init: first },
    {
      uri: "https://centre.test/playback/abc/key/8/0.m4s",
      range: null,
      fromMs: LATER,
      toMs: LATER + 2000,
      init: { uri: "https://centre.test/playback/abc/recording/8.mp4", range: [0, 710] },
    },
  ]);
});

test("what is no playlist, or one that lacks what it must say, is empty", () => {
  assert.deepEqual(readPlaylist("<html>no</html>", "https://centre.test/"), []);
  assert.deepEqual(readPlaylist("#EXTM3U\n#EXTINF:2,\na.mp4\n", "https://centre.test/"), []);
});

function shelf(again = Number.POSITIVE_INFINITY) {
  const time = { ms: 0 };
  const made = new Shelf(600_000, 2, () => time.ms);
  const init = { uri: "i", range: null };
  const segment = (fromMs, toMs) => ({ uri: `s${fromMs}`, range: null, fromMs, toMs, init });
  made.put(0, 600_000, [segment(0, 2000), segment(2010, 4000), segment(300_000, 302_000)], again === Number.POSITIVE_INFINITY, again);
  return { made, time, segment };
}

test("a segment that two playlists name with different queries is one, and going back passes it", () => {
  const list = (query, first, count) =>
    `#EXT-X-MAP:URI="recording/7.mp4${query}",BYTERANGE="700@0"\n` +
    `#EXT-X-PROGRAM-DATE-TIME:${new Date(AT + first * 2000).toISOString()}\n` +
    Array.from({ length: count }, (_, place) => `#EXTINF:2.000000,\nkey/7/${first + place}.m4s${query}\n`).join("");
  const address = "https://centre.test/playback/abc/playlist.m3u8";
  const shelf = new Shelf(600_000, 6, () => 0);
  // A run that is not the first of its playlist is told later by a shift; in the next playlist it is the first.
  shelf.put(AT - 590_000, AT + 10_000, readPlaylist(list("?shift=90", 0, 6), address), true, 0);
  shelf.put(AT + 10_000, AT + 610_000, readPlaylist(list("", 5, 4), address), true, 0);
  assert.equal(shelf.size, 9);
  const passed = [];
  for (let one = shelf.at(AT + 17_000); one && passed.length < 20; one = shelf.before(one)) {
    passed.push((one.fromMs - AT) / 2000);
  }
  assert.deepEqual(passed, [8, 7, 6, 5, 4, 3, 2, 1, 0]);
});

test("going back arrives also where two segments begin at the same moment", () => {
  const { made, segment } = shelf();
  made.clear();
  made.put(0, 600_000, [segment(0, 2000), { ...segment(0, 1000), uri: "twin" }, segment(2000, 4000)], true, 0);
  const last = made.at(3000);
  const before = last && made.before(last);
  assert.equal(before?.fromMs, 0);
  assert.equal(before && made.before(before), null);
});

test("moments lead to their segments, a gap to none, a hole too small to be one to the segment before it", () => {
  const { made } = shelf();
  assert.equal(made.at(0)?.fromMs, 0);
  assert.equal(made.at(2005)?.fromMs, 0);
  assert.equal(made.at(3999)?.fromMs, 2010);
  assert.equal(made.at(4000), null);
  assert.equal(made.at(200_000), null);
  assert.equal(made.next(4000)?.fromMs, 300_000);
  assert.equal(made.before(made.at(2020))?.fromMs, 0);
  assert.equal(made.after(made.at(2020))?.fromMs, 300_000);
});

test("a piece that was told twice is there once", () => {
  const { made, segment } = shelf();
  made.put(600_000, 1_200_000, [segment(300_000, 302_000), segment(600_000, 602_000)], true, 0);
  assert.equal(made.size, 4);
});

test("what may still grow is asked for again, and stands until then", () => {
  const { made, time } = shelf(5_000);
  assert.equal(made.knows(500_000), true);
  time.ms = 5_001;
  assert.equal(made.knows(500_000), false);
  assert.equal(made.heard(500_000), true);
  assert.equal(made.heard(700_000), false);
});

test("only so many pieces are kept: the farthest go", () => {
  const { made, segment } = shelf();
  made.put(600_000, 1_200_000, [segment(600_000, 602_000)], true, 0);
  made.put(1_200_000, 1_800_000, [segment(1_200_000, 1_202_000)], true, 0);
  assert.equal(made.knows(0), false);
  assert.equal(made.at(0), null);
  assert.equal(made.knows(600_000), true);
  assert.equal(made.size, 2);
});

// Written by tests/web/test_playback_parts.py with the recorder's own writer.
const folder = process.env.VONGGAC_TEST_FILES;
const facts = JSON.parse(readFileSync(`${folder}/facts.json`, "utf8"));

for (const fact of facts) {
  test(`codec and times of ${fact.name} are read as they were written`, () => {
    const init = new Uint8Array(readFileSync(`${folder}/${fact.name}.init`));
    const opened = openInit(init);
    assert.deepEqual(opened, { codec: fact.codec, delay: fact.delay });
    const body = new Uint8Array(readFileSync(`${folder}/${fact.name}.body`));
    const fragments = openFragments(body);
    assert.deepEqual(fragments.map((one) => one.start), fact.starts);
    assert.deepEqual(fragments.flatMap((one) => one.shown.map((tick) => one.start + tick)), fact.shown);
    assert.equal(fragments.reduce((sum, one) => sum + one.lasts, 0), fact.lasts);
    assert.equal(TIMESCALE, 90_000);
  });

  test(`sound in ${fact.name} is hidden, and nothing changes its size`, () => {
    for (const [suffix, open] of [["init", openInit], ["body", openFragments]]) {
      const before = readFileSync(`${folder}/${fact.name}.${suffix}`);
      const bytes = new Uint8Array(before);
      open(bytes);
      assert.equal(bytes.length, before.length);
      const changed = bytes.filter((byte, at) => byte !== before[at]).length;
      assert.equal(changed > 0, fact.sound, suffix);
      const text = Buffer.from(bytes).toString("latin1");
      assert.equal(text.includes("soun") && text.includes("free"), fact.sound && suffix === "init");
    }
  });
}
