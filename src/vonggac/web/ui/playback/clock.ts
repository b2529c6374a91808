// The master clock of all tiles, and what a tile does that is ahead of it or behind.

import { type Mode, modeOf } from "./speeds";

/** One clock for all tiles: wall-clock moments of the footage, moved on by this computer's own steady clock. */
export class MasterClock {
  private anchorMs: number;
  private anchorAt = 0;
  private going = false;
  private held = false;
  private factor = 1;

  /** `steadyMs`: a clock that is never set (performance.now). */
  constructor(
    startMs: number,
    private readonly steadyMs: () => number,
  ) {
    this.anchorMs = startMs;
  }

  now(): number {
    return this.going && !this.held ? this.anchorMs + (this.steadyMs() - this.anchorAt) * this.factor : this.anchorMs;
  }

  /** Whether it is to run; while it is held it stands all the same. */
  get running(): boolean {
    return this.going;
  }

  get holding(): boolean {
    return this.held;
  }

  get speed(): number {
    return this.factor;
  }

  get mode(): Mode {
    return modeOf(this.factor);
  }

  set(ms: number): void {
    this.anchorMs = ms;
    this.anchorAt = this.steadyMs();
  }

  run(): void {
    this.change(() => (this.going = true));
  }

  pause(): void {
    this.change(() => (this.going = false));
  }

  /** Stand still until `release`: a tile has no picture yet. */
  hold(): void {
    this.change(() => (this.held = true));
  }

  release(): void {
    this.change(() => (this.held = false));
  }

  setSpeed(speed: number): void {
    this.change(() => (this.factor = speed));
  }

  private change(make: () => void): void {
    this.set(this.now());
    make();
  }
}

/** Closer than this is in step: a picture at 15 a second lasts 67 ms. */
const IN_STEP_MS = 8;
/** Farther than this (times the speed) is quicker to seek than to catch up. */
const SEEK_FROM_MS = 350;
/** The part of a distance that is made up in a second. */
const GAIN = 2.5;
const MOST_CHANGE = 0.3;
/** What browsers play (Chromium throws beyond 0.0625 and 16). */
const LEAST_RATE = 0.0625;

export interface Steering {
  rate: number;
  seek: boolean;
}

/** What a tile does that is `aheadMs` of footage ahead of the clock (negative: behind). */
export function steer(aheadMs: number, speed: number): Steering {
  if (Math.abs(aheadMs) > SEEK_FROM_MS * Math.max(0.4, speed)) {
    return { rate: speed, seek: true };
  }
  if (Math.abs(aheadMs) < IN_STEP_MS * Math.max(1, speed)) {
    return { rate: speed, seek: false };
  }
  const change = Math.max(-MOST_CHANGE, Math.min(MOST_CHANGE, (-aheadMs / 1000 / speed) * GAIN));
  // In steps of a hundredth: setting a rate costs the browser more than being a millisecond off.
  return { rate: Math.max(LEAST_RATE, Math.round(speed * (1 + change) * 100) / 100), seek: false };
}

/** Waits for slow tiles, but not for ever: after a while one that has nothing is left behind, until it has. */
export class Patience {
  private since: number | null = null;
  private lost = false;

  constructor(
    private readonly mostMs: number,
    private readonly steadyMs: () => number,
  ) {}

  /** Whether the clock should stand still, told whether every tile has what it needs. */
  waits(ready: boolean): boolean {
    if (ready) {
      this.since = null;
      this.lost = false;
      return false;
    }
    this.since ??= this.steadyMs();
    this.lost ||= this.steadyMs() - this.since > this.mostMs;
    return !this.lost;
  }

  /** Somewhere else is shown now: waiting begins anew. */
  renew(): void {
    this.since = null;
    this.lost = false;
  }
}
