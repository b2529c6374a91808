// What the playlists of a camera said so far: which stretches of time are known, and the segments in them.

import { key, type Segment } from "./playlist";

interface Window {
  fromMs: number;
  toMs: number;
  /** When it must be asked for again, by the page's steady clock; null: it is settled. */
  stalesAt: number | null;
}

/** Holes between segments that are shorter are none: a recording's clock is put right at its end. */
export const HOLE_MS = 300;

export class Shelf {
  private segments: Segment[] = [];
  private windows: Window[] = [];

  constructor(
    /** Playlists are asked for in pieces of this length, on round moments. */
    readonly windowMs: number,
    private readonly mostWindows: number,
    private readonly steadyMs: () => number,
  ) {}

  /** The piece that holds a moment: from and to. */
  window(ms: number): [number, number] {
    const fromMs = Math.floor(ms / this.windowMs) * this.windowMs;
    return [fromMs, fromMs + this.windowMs];
  }

  /** Whether all that there is at a moment is known. */
  knows(ms: number): boolean {
    const window = this.windows.find((one) => one.fromMs <= ms && ms < one.toMs);
    return window !== undefined && (window.stalesAt === null || this.steadyMs() < window.stalesAt);
  }

  /** Whether a playlist ever told of a moment, if only a while ago. */
  heard(ms: number): boolean {
    return this.windows.some((one) => one.fromMs <= ms && ms < one.toMs);
  }

  /** Put what a playlist said of a piece in the place of what was known. `settled`: it will not change any more. */
  put(fromMs: number, toMs: number, segments: Segment[], settled: boolean, againMs: number): void {
    const told = new Set(segments.map(key));
    const kept = this.segments.filter((one) => !told.has(key(one)));
    this.segments = [...kept, ...segments].sort((one, other) => one.fromMs - other.fromMs);
    this.windows = this.windows.filter((one) => one.fromMs !== fromMs);
    this.windows.push({ fromMs, toMs, stalesAt: settled ? null : this.steadyMs() + againMs });
    while (this.windows.length > this.mostWindows) {
      this.forgetFarthest(fromMs);
    }
  }

  /** Ask for everything anew. */
  clear(): void {
    this.segments = [];
    this.windows = [];
  }

  /** The segment that is shown at a moment; across a small hole the one before it. */
  at(ms: number): Segment | null {
    const found = this.segments[this.place(ms)];
    if (!found || ms >= found.toMs + HOLE_MS) {
      return null;
    }
    const next = this.segments[this.place(ms) + 1];
    return ms < found.toMs || (next && next.fromMs - found.toMs < HOLE_MS) ? found : null;
  }

  after(segment: Segment): Segment | null {
    return this.next(segment.fromMs);
  }

  /** The segment before one: it begins earlier, so that whoever goes back step by step arrives. */
  before(segment: Segment): Segment | null {
    let place = this.place(segment.fromMs);
    while (place >= 0 && (this.segments[place]?.fromMs ?? 0) >= segment.fromMs) {
      place -= 1;
    }
    return this.segments[place] ?? null;
  }

  /** The first segment that begins after a moment. */
  next(ms: number): Segment | null {
    return this.segments[this.place(ms) + 1] ?? null;
  }

  get size(): number {
    return this.segments.length;
  }

  /** Where the last segment stands that begins at or before a moment; -1 where there is none. */
  private place(ms: number): number {
    let low = 0;
    let high = this.segments.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.segments[middle]?.fromMs ?? Number.POSITIVE_INFINITY) <= ms) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low - 1;
  }

  private forgetFarthest(fromMs: number): void {
    const farthest = this.windows.reduce((one, other) =>
      Math.abs(one.fromMs - fromMs) >= Math.abs(other.fromMs - fromMs) ? one : other,
    );
    this.windows = this.windows.filter((one) => one !== farthest);
    this.segments = this.segments.filter(
      (one) => this.windows.some((window) => one.toMs > window.fromMs && one.fromMs < window.toMs),
    );
  }
}
