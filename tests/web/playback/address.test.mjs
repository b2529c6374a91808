import assert from "node:assert/strict";
import { test } from "node:test";
import { readAddress, writeAddress, writeTime } from "../../../src/vonggac/web/ui/playback/address.ts";
import { isSpeed, modeOf, SPEEDS, stepped, strideMs } from "../../../src/vonggac/web/ui/playback/speeds.ts";
import { Zone } from "../../../src/vonggac/web/ui/playback/zone.ts";

const zone = new Zone("Asia/Ho_Chi_Minh");
const AT = Date.UTC(2026, 10, 24, 7, 3, 5);
const ID = "019ab3c0".padEnd(32, "f");

test("the address of the contract is read", () => {
  const { asked, problems } = readAddress("?cameras=3,7&at=2026-11-24T14:03:05&speed=1", zone);
  assert.deepEqual(asked, { cameras: ["3", "7"], atMs: AT, speed: 1, paused: false, selection: null });
  assert.deepEqual(problems, []);
});

test("what is written is read as the same, whatever it is", () => {
  for (const name of ["Asia/Ho_Chi_Minh", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"]) {
    const there = new Zone(name);
    for (let step = 0; step < 400; step++) {
      const atMs = Date.UTC(2026, 0, 1) + step * 86_399_123;
      const speed = SPEEDS[step % SPEEDS.length] * (step % 2 ? 1 : -1);
      const asked = { cameras: ["3", "107"], atMs, speed, paused: step % 3 === 0, selection: step % 4 ? null : [atMs - 500, atMs] };
      assert.deepEqual(readAddress(writeAddress(asked, there), there), { asked, problems: [] }, name);
    }
  }
});

test("an hour that clocks show twice keeps which of the two it is", () => {
  const berlin = new Zone("Europe/Berlin");
  for (const ms of [Date.UTC(2026, 9, 25, 0, 30), Date.UTC(2026, 9, 25, 1, 30)]) {
    const text = writeAddress({ cameras: [], atMs: ms, speed: 1, paused: false, selection: null }, berlin);
    assert.equal(readAddress(text, berlin).asked.atMs, ms);
  }
  assert.equal(writeTime(Date.UTC(2026, 9, 25, 1, 30), berlin), "2026-10-25T02:30:00+01:00");
});

test("cameras stand by number or id, once each", () => {
  const { asked } = readAddress(`?cameras=3,3,${ID.toUpperCase()}, 12`, zone);
  assert.deepEqual(asked.cameras, ["3", ID, "12"]);
});

test("what is wrong is told and the rest is used", () => {
  const { asked, problems } = readAddress("?cameras=3,chợ,7&at=2026-13-40T99:00&speed=3", zone);
  assert.deepEqual(asked, { cameras: ["3", "7"], atMs: null, speed: 1, paused: false, selection: null });
  assert.deepEqual(problems, [
    { kind: "camera", value: "chợ" },
    { kind: "time", value: "2026-13-40T99:00" },
    { kind: "speed", value: "3" },
  ]);
});

test("the tenth camera and those behind it are named as left out", () => {
  const { asked, problems } = readAddress(`?cameras=${Array.from({ length: 11 }, (_, n) => n + 1)}`, zone);
  assert.equal(asked.cameras.length, 9);
  assert.deepEqual(problems, [{ kind: "many-cameras", value: "10, 11" }]);
});

test("an interval whose end is before its start is none", () => {
  const { asked, problems } = readAddress("?from=2026-11-24T14:05&to=2026-11-24T14:03", zone);
  assert.equal(asked.selection, null);
  assert.equal(problems[0].kind, "selection");
});

test("a moment may say how far it is from UTC, with or without an escaped plus", () => {
  for (const text of ["2026-11-24T07:03:05Z", "2026-11-24T14:03:05%2B07:00", "2026-11-24T14:03:05+07:00", "2026-11-24T02:03:05-05:00"]) {
    assert.equal(readAddress(`?at=${text}`, zone).asked.atMs, AT, text);
  }
});

test("from four times on and backwards only key frames are shown", () => {
  assert.deepEqual(SPEEDS.map(modeOf), ["all", "all", "all", "all", "keys", "keys", "keys"]);
  assert.deepEqual([-0.25, -1, -16].map(modeOf), ["keys", "keys", "keys"]);
});

test("a step of speed keeps the direction and stops at the ends", () => {
  assert.equal(stepped(1, 1), 2);
  assert.equal(stepped(16, 1), 16);
  assert.equal(stepped(0.25, -1), 0.25);
  assert.equal(stepped(-4, 1), -8);
  assert.equal(isSpeed(-0.5), true);
  assert.equal(isSpeed(3), false);
  assert.equal(strideMs(-12), strideMs(12));
});
