// Feeds a video element with a camera's recordings through Media Source. The element's own time is the wall clock
// (counted from ORIGIN_MS), so that a moment is found by a subtraction, gaps are gaps, and tiles compare their times.

import { ask, Refused } from "./api";
import { openFragments, openInit, TIMESCALE } from "./boxes";
import { done, fetchAll, fetchBytes, follows, size } from "./pieces";
import { key, readPlaylist, same, type Segment, type Source } from "./playlist";
import { Shelf } from "./shelf";
import { type Mode, strideMs } from "./speeds";

const ORIGIN_MS = Date.UTC(2015, 0, 1);
/** Far behind every moment there will be: Media Source wants an end. */
const END_S = 4e9;

const WINDOW_MS: Record<Mode, number> = { all: 600_000, keys: 1_800_000 };
const MOST_WINDOWS = 6;
/** A piece that reaches to now is asked for again so often, when what it lacks is wanted. */
const AGAIN_MS = 5_000;
/** The index has a recording about a minute after it began; older pieces change no more. */
const SETTLED_AFTER_MS = 180_000;

/** How much is kept ready before and behind the moment that is shown, in seconds of watching. */
const AHEAD_MS = 10_000;
const BEHIND_MS = 10_000;
const EVICT_SLACK_MS = 8_000;
const BATCH = 4;
const BATCH_BYTES = 3_000_000;
const MOST_INITS = 16;
const MOST_TRIES = 2;
const RETRY_FIRST_MS = 1_000;
const RETRY_MOST_MS = 15_000;
/** Farther than this from what is being fetched, and it is given up. */
const ELSEWHERE_MS = 5_000;

interface Init extends Source {
  bytes: Uint8Array<ArrayBuffer>;
  codec: string;
  delay: number;
}

interface Loaded {
  segment: Segment;
  /** When each of its pictures was taken. */
  frames: number[];
}

/** What is to be shown next. */
interface Aim {
  ms: number;
  speed: number;
  mode: Mode;
}

export class Feed {
  /** The browser has no decoder for what the camera sends. */
  unsupported = false;
  /** Why nothing comes, while nothing comes. */
  trouble: Refused | null = null;

  private readonly shelves: Record<Mode, Shelf>;
  private source: MediaSource | null = null;
  private buffer: SourceBuffer | null = null;
  private mode: Mode = "all";
  private aimed: Aim = { ms: 0, speed: 1, mode: "all" };
  private readonly loaded = new Map<string, Loaded>();
  private readonly tries = new Map<string, number>();
  private readonly inits: Init[] = [];
  private readonly offsets = new Map<string, number>();
  private appended: Init | null = null;
  private abort = new AbortController();
  private pumping = false;
  private closed = false;
  private retryMs = RETRY_FIRST_MS;
  private retryAt = 0;
  private retryTimer = 0;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly camera: string,
    /** The centre's time. */
    private readonly nowMs: () => number,
    /** Something to show came, or it is known that nothing comes. */
    private readonly changed: () => void,
  ) {
    const steady = (): number => performance.now();
    this.shelves = {
      all: new Shelf(WINDOW_MS.all, MOST_WINDOWS, steady),
      keys: new Shelf(WINDOW_MS.keys, MOST_WINDOWS, steady),
    };
  }

  /** The element's time of a moment, and back. Half a millisecond in, so that rounding shows no picture before. */
  static seconds(ms: number): number {
    return (ms - ORIGIN_MS) / 1000 + 0.0005;
  }

  static moment(seconds: number): number {
    return (seconds - 0.0005) * 1000 + ORIGIN_MS;
  }

  /** Say what is to be shown: what is missing for it is fetched, what is far from it let go. */
  aim(ms: number, speed: number, mode: Mode): void {
    const jumped = Math.abs(ms - this.aimed.ms) > ELSEWHERE_MS * Math.max(1, Math.abs(speed));
    if (jumped || mode !== this.aimed.mode) {
      this.abort.abort();
    }
    this.aimed = { ms, speed, mode };
    void this.pump();
  }

  /** What there is to show at a moment. */
  has(ms: number): "unknown" | "gap" | "coming" | "there" | "damaged" {
    const shelf = this.shelves[this.aimed.mode];
    const segment = this.aimed.mode === "keys" ? this.keyFrame(ms) : shelf.at(ms);
    if (!segment) {
      return shelf.heard(ms) ? "gap" : "unknown";
    }
    if (this.holds(segment)) {
      return "there";
    }
    return this.isMissing(segment) || this.pumping ? "coming" : "damaged";
  }

  private holds(segment: Segment): boolean {
    return this.mode === this.aimed.mode && this.loaded.has(key(segment)) && this.isBuffered(segment);
  }

  /** The key frame to show at a moment at the present speed. */
  keyFrame(ms: number): Segment | null {
    let found = this.shelves.keys.at(ms);
    while (found && !this.chosen(found)) {
      const before = this.shelves.keys.before(found);
      found = before && before.toMs > found.fromMs - 1_000 ? before : null;
    }
    return found ?? this.shelves.keys.at(ms);
  }

  /** When the picture after (1) or before (-1) the one of this moment was taken. */
  neighbour(ms: number, step: 1 | -1): number | null {
    const segment = this.shelves.all.at(ms);
    const frames = segment ? this.loaded.get(key(segment))?.frames : undefined;
    if (!segment || !frames) {
      return null;
    }
    const shown = Math.max(0, frames.filter((frame) => frame <= ms + 1).length - 1);
    const found = frames[shown + step];
    if (found !== undefined) {
      return found;
    }
    const beside = step === 1 ? this.shelves.all.after(segment) : this.shelves.all.before(segment);
    const there = beside ? this.loaded.get(key(beside))?.frames : undefined;
    return there?.at(step === 1 ? 0 : -1) ?? (beside ? (step === 1 ? beside.fromMs : beside.toMs - 1) : null);
  }

  /** Forget that a piece had nothing: something may have been recorded since. */
  askAgain(): void {
    this.shelves.all.clear();
    this.shelves.keys.clear();
    void this.pump();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.retryTimer);
    this.abort.abort();
    this.drop();
  }

  private drop(): void {
    this.loaded.clear();
    this.appended = null;
    this.buffer = null;
    this.source = null;
    this.video.removeAttribute("src");
    // Without this the browser keeps decoder and buffers until it collects the element.
    this.video.load();
  }

  private async pump(): Promise<void> {
    if (this.pumping || this.closed) {
      return;
    }
    this.pumping = true;
    try {
      for (let job = this.next(); job && !this.closed; job = this.next()) {
        // One for each, so that nothing gathers on one that lives for hours.
        this.abort = new AbortController();
        await job();
        this.trouble = null;
        this.retryMs = RETRY_FIRST_MS;
        this.changed();
      }
    } catch (error) {
      this.failed(error);
    } finally {
      this.pumping = false;
    }
  }

  private failed(error: unknown): void {
    if (this.closed) {
      return;
    }
    if (error instanceof DOMException && error.name === "AbortError") {
      // Given up for something more urgent.
      setTimeout(() => void this.pump());
      return;
    }
    if (!(error instanceof Refused)) {
      // What the browser could not take: a fresh Media Source takes what comes next.
      console.warn("playback begins anew", error);
      this.drop();
    }
    this.trouble = error instanceof Refused ? error : new Refused(500, "");
    const wait = this.retryMs * (0.5 + Math.random());
    this.retryMs = Math.min(this.retryMs * 2, RETRY_MOST_MS);
    this.retryAt = performance.now() + wait;
    clearTimeout(this.retryTimer);
    this.retryTimer = window.setTimeout(() => void this.pump(), wait + 5);
    this.changed();
  }

  /** What is most urgent now; null: everything that is wanted is there. */
  private next(): (() => Promise<void>) | null {
    if (performance.now() < this.retryAt || this.unsupported) {
      return null;
    }
    const { ms, speed, mode } = this.aimed;
    const shelf = this.shelves[mode];
    const at = shelf.at(ms);
    if (!at && !shelf.knows(ms)) {
      return () => this.fetchPlaylist(mode, ms);
    }
    if (this.mode !== mode) {
      return () => this.change(mode);
    }
    const direction = speed < 0 ? -1 : 1;
    const urgent = mode === "keys" ? this.keyFrame(ms) : at;
    if (urgent && this.isMissing(urgent)) {
      return () => this.load([urgent]);
    }
    const endMs = ms + direction * AHEAD_MS * Math.max(1, Math.abs(speed));
    const batch = this.batch(at, ms, endMs, direction);
    if (batch.length) {
      return () => this.load(batch);
    }
    const evicted = this.farAway();
    if (evicted) {
      return () => this.evict(...evicted);
    }
    return endMs < this.nowMs() && !shelf.knows(endMs) ? () => this.fetchPlaylist(mode, endMs) : null;
  }

  /** Missing neighbours on the way to `endMs`: what one request fetches, or a few at once. */
  private batch(at: Segment | null, ms: number, endMs: number, direction: 1 | -1): Segment[] {
    const shelf = this.shelves[this.mode];
    const found: Segment[] = [];
    const wanted = (one: Segment): boolean => (direction === 1 ? one.fromMs < endMs : one.toMs > endMs);
    let one = at ?? (direction === 1 ? shelf.next(ms) : null);
    for (; one && wanted(one); one = direction === 1 ? shelf.after(one) : shelf.before(one)) {
      const last = found.at(-1);
      const missing = this.isMissing(one) && (this.mode === "all" || this.chosen(one));
      if (last && this.mode === "all" && (!missing || !follows(last, one))) {
        break;
      }
      if (missing) {
        found.push(one);
      }
      if (found.length >= BATCH || found.reduce((sum, piece) => sum + size(piece), 0) > BATCH_BYTES) {
        break;
      }
    }
    return found;
  }

  /** Whether a key frame is one of those shown at this speed: the first in each stride. */
  private chosen(segment: Segment): boolean {
    const stride = strideMs(this.aimed.speed);
    const before = this.shelves.keys.before(segment);
    return !before || Math.floor(before.fromMs / stride) !== Math.floor(segment.fromMs / stride);
  }

  private isMissing(segment: Segment): boolean {
    return !this.holds(segment) && (this.tries.get(key(segment)) ?? 0) < MOST_TRIES;
  }

  private isBuffered(segment: Segment): boolean {
    if (!this.buffer) {
      return false;
    }
    // A key frame alone need not last until the next one.
    const at = Feed.seconds(this.mode === "keys" ? segment.fromMs : (segment.fromMs + segment.toMs) / 2);
    const ranges = this.buffer.buffered;
    for (let index = ranges.length - 1; index >= 0; index--) {
      if (ranges.start(index) <= at) {
        return at < ranges.end(index) + 0.02;
      }
    }
    return false;
  }

  private async fetchPlaylist(mode: Mode, ms: number): Promise<void> {
    const shelf = this.shelves[mode];
    const [from, to] = shelf.window(ms);
    const keys = mode === "keys" ? "&keys=1" : "";
    const path = `/playback/${this.camera}/playlist.m3u8?from=${from}&to=${to}&empty=1${keys}`;
    // Nothing recorded in it is a fact, no fault, and answered with nothing.
    const text = await (await ask(path, this.abort.signal)).text();
    shelf.put(from, to, readPlaylist(text, new URL(path, location.href).href), to < this.nowMs() - SETTLED_AFTER_MS, AGAIN_MS);
  }

  private async load(segments: Segment[]): Promise<void> {
    const [first] = segments;
    if (!first) {
      return;
    }
    const signal = this.abort.signal;
    for (const one of segments) {
      this.tries.set(key(one), (this.tries.get(key(one)) ?? 0) + 1);
    }
    try {
      const parts = this.mode === "keys" ? segments.map((one) => [one]) : [segments];
      const fetched = await Promise.all(
        parts.map((part) => Promise.all([this.init(part[0] ?? first, signal), fetchAll(part, signal)])),
      );
      for (const [place, part] of parts.entries()) {
        const [init, bytes] = fetched[place] ?? [];
        if (init && bytes) {
          await this.append(part, init, bytes);
        }
      }
    } catch (error) {
      const refused = error instanceof Refused;
      if (refused && error.status === 404) {
        // Deleted in the meantime, or damaged.
        return;
      }
      // Only what the browser could not take counts: not what was given up, nor a line that is down.
      if (refused || (error instanceof DOMException && error.name === "AbortError")) {
        for (const one of segments) {
          this.tries.delete(key(one));
        }
      }
      throw error;
    }
    if (this.tries.size > 1_000) {
      this.tries.clear();
    }
  }

  private async init(segment: Segment, signal: AbortSignal): Promise<Init> {
    const known = this.inits.find((one) => same(one, segment.init));
    if (known) {
      return known;
    }
    const bytes = await fetchBytes(segment.init, signal);
    const init = { ...segment.init, bytes, ...openInit(bytes) };
    this.inits.push(init);
    if (this.inits.length > MOST_INITS) {
      this.inits.shift();
    }
    return init;
  }

  private async append(segments: Segment[], init: Init, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const [first] = segments;
    if (this.closed || !first) {
      return;
    }
    const mime = `video/mp4; codecs="${init.codec}"`;
    if (!MediaSource.isTypeSupported(mime)) {
      this.unsupported = true;
      return;
    }
    const fragments = openFragments(bytes);
    const buffer = await this.ready(mime);
    if (!this.appended || !same(this.appended, init)) {
      if (this.appended && this.appended.codec !== init.codec) {
        buffer.changeType(mime);
      }
      await done(buffer, () => buffer.appendBuffer(init.bytes));
      this.appended = init;
    }
    const begins = fragments[0] ? fragments[0].start + (fragments[0].shown[0] ?? 0) - init.delay : 0;
    const offset = this.offset(first, begins);
    if (buffer.timestampOffset !== offset) {
      buffer.timestampOffset = offset;
    }
    await done(buffer, () => buffer.appendBuffer(bytes));
    const times = fragments.flatMap(({ start, shown }) =>
      shown.map((tick) => ((start + tick - init.delay) / TIMESCALE + offset) * 1000 + ORIGIN_MS),
    );
    for (const segment of segments) {
      const last = segments.at(-1) === segment ? Number.POSITIVE_INFINITY : segment.toMs;
      const frames = times.filter((time) => time > segment.fromMs - 1 && time < last - 1);
      this.loaded.set(key(segment), { segment, frames });
      this.tries.delete(key(segment));
    }
  }

  /** By how much a recording's media time is moved; the same for all of it, so that its pictures join to the tick. */
  private offset(segment: Segment, startTicks: number): number {
    const recording = segment.range ? segment.uri : segment.uri.slice(0, segment.uri.lastIndexOf("/"));
    let offset = this.offsets.get(recording);
    if (offset === undefined) {
      offset = (segment.fromMs - ORIGIN_MS) / 1000 - startTicks / TIMESCALE;
      if (this.offsets.size > 500) {
        this.offsets.clear();
      }
      this.offsets.set(recording, offset);
    }
    return offset;
  }

  private async ready(mime: string): Promise<SourceBuffer> {
    if (this.buffer && this.source?.readyState === "open") {
      return this.buffer;
    }
    const source = new MediaSource();
    const opened = new Promise((resolve) => source.addEventListener("sourceopen", resolve, { once: true }));
    const address = URL.createObjectURL(source);
    this.drop();
    this.source = source;
    this.video.src = address;
    await opened;
    URL.revokeObjectURL(address);
    source.duration = END_S;
    this.buffer = source.addSourceBuffer(mime);
    this.video.currentTime = Feed.seconds(this.aimed.ms);
    return this.buffer;
  }

  /** From all pictures to key frames or back: both cannot lie in one buffer. */
  private async change(mode: Mode): Promise<void> {
    this.loaded.clear();
    this.tries.clear();
    this.mode = mode;
    const buffer = this.buffer;
    if (buffer) {
      await done(buffer, () => buffer.remove(0, Number.POSITIVE_INFINITY));
    }
  }

  /** A stretch that holds segments which lie farther away than is kept. */
  private farAway(): [number, number] | null {
    const { ms, speed } = this.aimed;
    const reach = Math.max(1, Math.abs(speed));
    const [back, on] = speed < 0 ? [AHEAD_MS, BEHIND_MS] : [BEHIND_MS, AHEAD_MS];
    const least = ms - back * reach;
    const most = ms + on * reach;
    const pieces = [...this.loaded.values()].map((one) => one.segment);
    const slack = EVICT_SLACK_MS * reach;
    if (pieces.some((one) => one.toMs < least - slack)) {
      return [0, Math.max(...pieces.filter((one) => one.toMs < least).map((one) => one.toMs))];
    }
    if (pieces.some((one) => one.fromMs > most + slack)) {
      return [Math.min(...pieces.filter((one) => one.fromMs > most).map((one) => one.fromMs)), Number.POSITIVE_INFINITY];
    }
    return null;
  }

  private async evict(fromMs: number, toMs: number): Promise<void> {
    for (const [name, { segment }] of this.loaded) {
      if (segment.fromMs >= fromMs - 1 && segment.toMs <= toMs + 1) {
        this.loaded.delete(name);
      }
    }
    const buffer = this.buffer;
    if (buffer) {
      const start = fromMs === 0 ? 0 : (fromMs - ORIGIN_MS) / 1000;
      const end = toMs === Number.POSITIVE_INFINITY ? toMs : (toMs - ORIGIN_MS) / 1000;
      await done(buffer, () => buffer.remove(start, end));
    }
  }
}
