import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

// This computer's clocks; `now` is the server's.
let monotonic = 1_000;
let wall = 1_795_500_000_000;
let now = 1_795_500_003_000;
Date.now = () => wall;
performance.now = () => monotonic;
const { serverNow, setServerTime } = await import("../../../src/vonggac/web/ui/clock.ts");

function pass(ms) {
  monotonic += ms;
  wall += ms;
  now += ms;
}

beforeEach(() => {
  pass(3_600_000);
  setServerTime(now);
});

test("the time goes on by itself", () => {
  pass(5_000);
  assert.equal(serverNow(), now);
});

test("what comes late does not take the time back", () => {
  const late = now;
  pass(8_000);
  setServerTime(late);
  assert.equal(serverNow(), now);
  for (let at = 0; at < 40_000; at += 10_000) {
    pass(10_000);
    setServerTime(now - 8_000);
    assert.equal(serverNow(), now);
  }
});

test("what comes sooner counts", () => {
  now += 900;
  setServerTime(now);
  assert.equal(serverNow(), now);
});

test("a server whose clock was set back is followed: by much at once, by little within a minute or so", () => {
  now -= 3_600_000;
  setServerTime(now);
  assert.equal(serverNow(), now);
  now -= 5_000;
  for (let at = 0; at <= 60_000; at += 10_000) {
    setServerTime(now);
    pass(10_000);
  }
  assert.equal(serverNow(), now);
});

test("a computer that slept does not take old pictures for new", () => {
  wall += 7_200_000;
  now += 7_200_000;
  assert.equal(serverNow(), now);
  setServerTime(now);
  assert.equal(serverNow(), now);
});

test("a computer whose clock is set back does not take old pictures for new", () => {
  wall -= 7_200_000;
  pass(1_000);
  assert.equal(serverNow(), now);
  setServerTime(now);
  assert.equal(serverNow(), now);
});

test("a computer whose clock is set forward is right as soon as the server says its time", () => {
  wall += 7_200_000;
  setServerTime(now);
  assert.equal(serverNow(), now);
});
