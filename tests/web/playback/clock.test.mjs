import assert from "node:assert/strict";
import { test } from "node:test";
import { MasterClock, Patience, steer } from "../../../src/vonggac/web/ui/playback/clock.ts";
import { SPEEDS } from "../../../src/vonggac/web/ui/playback/speeds.ts";

function steady() {
  const clock = () => clock.ms;
  clock.ms = 1_000;
  return clock;
}

test("the clock goes at its speed, also backwards, and stands while paused or held", () => {
  const time = steady();
  const clock = new MasterClock(50_000, time);
  time.ms += 500;
  assert.equal(clock.now(), 50_000);
  clock.run();
  time.ms += 1_000;
  assert.equal(clock.now(), 51_000);
  clock.setSpeed(16);
  time.ms += 1_000;
  assert.equal(clock.now(), 67_000);
  clock.setSpeed(-2);
  time.ms += 1_000;
  assert.equal(clock.now(), 65_000);
  clock.hold();
  time.ms += 5_000;
  assert.equal(clock.now(), 65_000);
  clock.release();
  time.ms += 100;
  assert.equal(clock.now(), 64_800);
  clock.pause();
  time.ms += 9_000;
  assert.equal(clock.now(), 64_800);
});

test("to be held changes nothing about whether it is to run", () => {
  const clock = new MasterClock(0, steady());
  clock.run();
  clock.hold();
  assert.equal(clock.running, true);
  clock.pause();
  clock.release();
  assert.equal(clock.running, false);
});

/** A tile as a video element is one: it goes at the rate it was given. */
function simulate(aheadMs, speed, seconds) {
  const seen = [];
  for (let beat = 0; beat < seconds * 10; beat++) {
    const { rate, seek } = steer(aheadMs, speed);
    if (seek) {
      aheadMs = 0;
    }
    aheadMs += (rate - speed) * 100;
    seen.push(aheadMs);
  }
  return seen;
}

test("a tile that is off comes within a frame of the clock in a second and stays there", () => {
  for (const speed of SPEEDS.filter((one) => one < 4)) {
    for (const start of [-340, -120, -40, 40, 120, 340]) {
      const seen = simulate(start, speed, 6);
      for (const ahead of seen.slice(30)) {
        assert.ok(Math.abs(ahead) < 30 * Math.max(1, speed), `${speed}: ${start} ends at ${ahead}`);
      }
    }
  }
});

test("a tile that is far off is sent there, one in step is left alone", () => {
  assert.deepEqual(steer(-5_000, 1), { rate: 1, seek: true });
  assert.deepEqual(steer(3, 1), { rate: 1, seek: false });
  assert.ok(steer(60, 1).rate < 1);
  assert.ok(steer(-60, 1).rate > 1);
});

test("rates stay within what browsers play", () => {
  for (const speed of SPEEDS.filter((one) => one < 4)) {
    for (let ahead = -2_000; ahead <= 2_000; ahead += 7) {
      const { rate } = steer(ahead, speed);
      assert.ok(rate >= 0.0625 && rate <= 16);
    }
  }
});

test("a slow tile is waited for, but not for ever, and again after it came", () => {
  const time = steady();
  const patience = new Patience(4_000, time);
  assert.equal(patience.waits(false), true);
  time.ms += 3_900;
  assert.equal(patience.waits(false), true);
  time.ms += 200;
  assert.equal(patience.waits(false), false);
  time.ms += 60_000;
  assert.equal(patience.waits(false), false);
  assert.equal(patience.waits(true), false);
  assert.equal(patience.waits(false), true);
  time.ms += 5_000;
  patience.waits(false);
  patience.renew();
  assert.equal(patience.waits(false), true);
});
