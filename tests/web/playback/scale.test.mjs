import assert from "node:assert/strict";
import { test } from "node:test";
import {
  holding, LEAST_SPAN_MS, MOST_SPAN_MS, msAt, panned, span, ticks, xOf, zoomed,
} from "../../../src/vonggac/web/ui/playback/scale.ts";
import { Zone } from "../../../src/vonggac/web/ui/playback/zone.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const vietnam = new Zone("Asia/Ho_Chi_Minh");
const berlin = new Zone("Europe/Berlin");

test("a place and its moment lead back to each other", () => {
  const view = { fromMs: 1_000_000, toMs: 4_600_000 };
  for (const x of [0, 1, 499.5, 1000]) {
    assert.ok(Math.abs(xOf(msAt(x, view, 1000), view, 1000) - x) < 1e-9);
  }
});

test("zooming keeps the moment under the pointer, within a month and five seconds", () => {
  let view = { fromMs: 0, toMs: DAY };
  for (const factor of [0.5, 0.1, 0.01, 0.001, 10, 1e6, 1e6]) {
    const x = xOf(HOUR, view, 1000);
    view = zoomed(view, factor, HOUR);
    assert.ok(Math.abs(xOf(HOUR, view, 1000) - x) < 1e-6);
    assert.ok(span(view) >= LEAST_SPAN_MS - 1e-6 && span(view) <= MOST_SPAN_MS + 1e-6);
  }
});

test("a view that holds a moment stays; one that does not moves just enough", () => {
  const view = { fromMs: 0, toMs: 1000 };
  assert.equal(holding(view, 500, 0.1), view);
  assert.deepEqual(holding(view, 950, 0.1), panned(view, 50));
  assert.deepEqual(holding(view, -10, 0.1), panned(view, -110));
});

test("at every zoom marks are in order, in view, not too dense, and there are some", () => {
  for (const zone of [vietnam, berlin, new Zone("America/St_Johns"), new Zone("Australia/Lord_Howe")]) {
    for (let wide = LEAST_SPAN_MS; wide <= MOST_SPAN_MS; wide *= 1.7) {
      const view = { fromMs: Date.UTC(2026, 2, 28, 20, 13), toMs: Date.UTC(2026, 2, 28, 20, 13) + wide };
      const found = ticks(view, 1000, 70, zone).map((tick) => tick.ms);
      assert.ok(found.length >= 1 && found.length <= 16, `${zone.name} ${wide}: ${found.length}`);
      for (const [place, ms] of found.entries()) {
        assert.ok(ms >= view.fromMs && ms < view.toMs);
        assert.ok(place === 0 || ms > found[place - 1]);
      }
    }
  }
});

test("marks of hours stay on round local hours when clocks are set", () => {
  for (const [from, to] of [[Date.UTC(2026, 2, 28, 12), Date.UTC(2026, 2, 29, 12)], [Date.UTC(2026, 9, 24, 12), Date.UTC(2026, 9, 25, 12)]]) {
    for (const { ms } of ticks({ fromMs: from, toMs: to }, 700, 70, berlin)) {
      const { hour, minute } = berlin.local(ms);
      assert.equal(minute, 0);
      assert.equal(hour % 3, 0);
    }
  }
});

test("days begin at midnight of the zone, and midnight is told as a day", () => {
  const found = ticks({ fromMs: Date.UTC(2026, 10, 1), toMs: Date.UTC(2026, 10, 25) }, 1000, 70, vietnam);
  for (const { ms, label } of found) {
    assert.equal(label, "day");
    assert.equal(vietnam.local(ms).hour, 0);
  }
  const hours = ticks({ fromMs: Date.UTC(2026, 10, 24, 12), toMs: Date.UTC(2026, 10, 24, 20) }, 1000, 70, vietnam);
  assert.equal(hours.filter((tick) => tick.label === "day").length, 1);
});
