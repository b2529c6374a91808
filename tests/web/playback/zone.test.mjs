import assert from "node:assert/strict";
import { test } from "node:test";
import { exists, Zone } from "../../../src/vonggac/web/ui/playback/zone.ts";

const vietnam = new Zone("Asia/Ho_Chi_Minh");
const berlin = new Zone("Europe/Berlin");
const half = new Zone("Australia/Lord_Howe");
const at = (year, month, day, hour = 0, minute = 0, second = 0) => ({ year, month, day, hour, minute, second });

test("a moment and its local time lead back to each other, hour by hour, over a year and in any zone", () => {
  for (const zone of [vietnam, berlin, half, new Zone("America/St_Johns"), new Zone("UTC")]) {
    for (let ms = Date.UTC(2026, 0, 1); ms < Date.UTC(2027, 0, 1); ms += 3_600_000) {
      assert.ok(zone.moments(zone.local(ms)).includes(ms), `${zone.name} ${ms}`);
    }
  }
});

test("Vietnam is seven hours ahead and has no summer time", () => {
  assert.equal(vietnam.moment(at(2026, 11, 24, 14, 3, 5)), Date.UTC(2026, 10, 24, 7, 3, 5));
  assert.equal(vietnam.offset(Date.UTC(2026, 6, 1)), 7 * 3_600_000);
});

test("an hour that clocks show twice has two moments, and the first counts", () => {
  const moments = berlin.moments(at(2026, 10, 25, 2, 30));
  assert.deepEqual(moments, [Date.UTC(2026, 9, 25, 0, 30), Date.UTC(2026, 9, 25, 1, 30)]);
  assert.equal(berlin.moment(at(2026, 10, 25, 2, 30)), moments[0]);
});

test("an hour that clocks leave out has no moment, and counts as far on as it would have been", () => {
  assert.deepEqual(berlin.moments(at(2026, 3, 29, 2, 30)), []);
  assert.equal(berlin.moment(at(2026, 3, 29, 2, 30)), Date.UTC(2026, 2, 29, 1, 30));
});

test("midnight is when the day begins there, also on days of 23 and 25 hours", () => {
  assert.equal(berlin.midnight(Date.UTC(2026, 2, 29, 12)), Date.UTC(2026, 2, 28, 23));
  assert.equal(berlin.midnight(Date.UTC(2026, 2, 29, 12), 1), Date.UTC(2026, 2, 29, 22));
  assert.equal(berlin.midnight(Date.UTC(2026, 9, 25, 12), 1), Date.UTC(2026, 9, 25, 23));
});

test("a day that no calendar has is none", () => {
  assert.equal(exists(at(2026, 2, 29)), false);
  assert.equal(exists(at(2028, 2, 29)), true);
  assert.equal(exists(at(2026, 1, 1, 24)), false);
});
