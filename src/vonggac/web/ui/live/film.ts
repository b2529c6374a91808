// A stream as it plays: fragments into a SourceBuffer (W3C Media Source Extensions), close behind the newest one.

import { FRAGMENT, JPEG, type Picture, shownAt } from "./messages";

/** Something that shows pictures: coded ones (Film) or such that the centre decoded (Slides). */
export interface Screen {
  readonly element: HTMLVideoElement | HTMLImageElement;
  /** Called once, when the first picture can be seen. */
  onFirst: () => void;
  /** Called when nothing more can be shown: begin anew. */
  onFail: () => void;
  add(picture: Picture): void;
  /** When what is on the screen reached the recorder, milliseconds since 1970; 0 before the first. */
  shownMs(): number;
  /** To be called some times a second. */
  tick(): void;
  close(): void;
}

/** Seconds behind the newest picture: enough for an uneven line; grown where it was not. */
const LEAST_LAG = 0.15;
const MOST_LAG = 1;
const LAG_GROWS = 1.5;
const LAG_SHRINKS = 0.97;
/** Further behind than this it is jumped, a little behind it is played faster. */
const JUMP = 1;
const SLACK = 0.2;
const FAR = 0.5;
const FASTER = 1.1;
const FASTEST = 1.25;
const SLOWER = 0.9;
/** Seconds that are kept behind what is shown. */
const KEPT = 2;
const KEPT_MOST = 8;
const MOST_WAITING = 600;

export class Film implements Screen {
  readonly element = document.createElement("video");
  onFirst: () => void = () => undefined;
  onFail: () => void = () => undefined;
  private readonly source = new MediaSource();
  private buffer: SourceBuffer | null = null;
  private waiting: Uint8Array<ArrayBuffer>[] = [];
  /** Of what may still come on the screen, ascending: when it is shown, when it arrived. */
  private times: { at: number; arrivedMs: number }[] = [];
  private keys: number[] = [];
  private edge = 0;
  private lag = LEAST_LAG;
  private arrivedMs = 0;
  private asked = false;
  private begun = false;
  private closed = false;
  private readonly address: string;

  constructor(private readonly mime: string) {
    const video = this.element;
    video.muted = true;
    video.autoplay = true;
    video.playsInline = true;
    video.disablePictureInPicture = true;
    video.disableRemotePlayback = true;
    this.address = URL.createObjectURL(this.source);
    this.source.addEventListener("sourceopen", () => this.open(), { once: true });
    const first = (): void => {
      this.shows(video.currentTime);
      this.onFirst();
    };
    video.addEventListener("loadeddata", first, { once: true });
    video.addEventListener("error", () => this.fail());
    video.addEventListener("waiting", () => {
      if (this.begun) {
        this.lag = Math.min(this.lag * LAG_GROWS, MOST_LAG);
      }
    });
    video.src = this.address;
    this.look();
  }

  add(picture: Picture): void {
    if (this.waiting.length >= MOST_WAITING) {
      this.fail();
      return;
    }
    if (picture.kind === FRAGMENT) {
      const at = shownAt(picture.bytes);
      this.remember(at, picture.arrivedMs);
      if (picture.key) {
        this.keys.push(at);
      }
    }
    this.waiting.push(picture.bytes);
    this.append();
  }

  shownMs(): number {
    return this.arrivedMs;
  }

  tick(): void {
    const video = this.element;
    if (!this.begun || this.closed) {
      return;
    }
    this.look();
    this.trim();
    if (video.paused) {
      void video.play().catch(() => undefined);
    }
    const behind = this.edge - video.currentTime;
    if (behind > this.lag + JUMP || !this.has(video.currentTime)) {
      this.seek(this.edge - this.lag);
    } else if (behind > this.lag + SLACK) {
      this.speed(behind > this.lag + FAR ? FASTEST : FASTER);
    } else if (behind < this.lag / 3) {
      this.speed(SLOWER);
    } else if (video.playbackRate > 1 ? behind < this.lag : behind > this.lag) {
      this.speed(1);
    }
    this.lag = Math.max(this.lag * LAG_SHRINKS ** 0.1, LEAST_LAG);
  }

  close(): void {
    this.closed = true;
    URL.revokeObjectURL(this.address);
    this.waiting = [];
    this.times = [];
    this.element.removeAttribute("src");
    this.element.load(); // gives the decoder back at once
  }

  private open(): void {
    URL.revokeObjectURL(this.address);
    try {
      this.buffer = this.source.addSourceBuffer(this.mime);
    } catch {
      this.fail();
      return;
    }
    this.buffer.addEventListener("updateend", () => {
      this.begin();
      this.append();
    });
    this.buffer.addEventListener("error", () => this.fail());
    this.append();
  }

  private append(): void {
    if (!this.buffer || this.buffer.updating || this.closed || this.waiting.length === 0) {
      return;
    }
    // All that waits at once: a viewer who comes gets a whole group.
    const parts = this.waiting;
    try {
      this.buffer.appendBuffer(parts.length === 1 && parts[0] ? parts[0] : joined(parts));
      this.waiting = [];
    } catch {
      this.fail(); // the quota, or an element that gave up: what is old is not worth mending
    }
  }

  /** Show the newest picture of what came first. */
  private begin(): void {
    if (!this.begun && this.edge && this.element.buffered.length > 0) {
      this.begun = true;
      this.seek(this.edge);
    }
  }

  private remember(at: number, arrivedMs: number): void {
    let place = this.times.length;
    while (place > 0 && (this.times[place - 1]?.at ?? 0) > at) {
      place -= 1; // shown before one that was sent earlier
    }
    this.times.splice(place, 0, { at, arrivedMs });
    this.edge = Math.max(this.edge, at);
  }

  /** Ask which picture is on the screen: once a tick, not for each, which would have the page drawn for each. */
  private look(): void {
    if (!this.asked) {
      this.asked = true;
      this.element.requestVideoFrameCallback((_, frame) => {
        this.asked = false;
        this.shows(frame.mediaTime);
      });
    }
  }

  private shows(time: number): void {
    const first = this.times.findIndex((one) => one.at > time + 0.002);
    const gone = (first < 0 ? this.times.length : first) - 1;
    if (gone >= 0) {
      this.times.splice(0, gone);
      this.arrivedMs = this.times[0]?.arrivedMs ?? this.arrivedMs;
    }
  }

  /** Throw away what was shown, up to a key frame: what follows one that is missing would go with it. */
  private trim(): void {
    const { buffer, element } = this;
    if (!buffer || buffer.updating || buffer.buffered.length === 0) {
      return;
    }
    const now = element.currentTime;
    if (now - buffer.buffered.start(0) < KEPT_MOST) {
      return;
    }
    const kept = this.keys.filter((at) => at <= now - KEPT).at(-1);
    if (kept !== undefined && kept > buffer.buffered.start(0)) {
      this.keys = this.keys.filter((at) => at >= kept);
      buffer.remove(0, kept);
    }
  }

  private has(time: number): boolean {
    const { buffered } = this.element;
    const last = buffered.length - 1;
    return last >= 0 && time >= buffered.start(last) - 0.05 && time <= buffered.end(last) + 0.05;
  }

  private seek(time: number): void {
    const { buffered } = this.element;
    const last = buffered.length - 1;
    if (last >= 0 && !this.element.seeking) {
      this.element.currentTime = Math.max(time, buffered.start(last));
      this.speed(1);
    }
  }

  private speed(rate: number): void {
    if (this.element.playbackRate !== rate) {
      this.element.playbackRate = rate;
    }
  }

  private fail(): void {
    if (!this.closed) {
      this.close();
      this.onFail();
    }
  }
}

/** Pictures that the centre decoded, one after the other. */
export class Slides implements Screen {
  readonly element = new Image();
  onFirst: () => void = () => undefined;
  onFail: () => void = () => undefined;
  private address = "";
  private arrivedMs = 0;

  add(picture: Picture): void {
    if (picture.kind !== JPEG) {
      return;
    }
    const address = URL.createObjectURL(new Blob([picture.bytes], { type: "image/jpeg" }));
    const before = this.address;
    this.address = address;
    this.element.onload = () => {
      const first = this.arrivedMs === 0;
      this.arrivedMs = picture.arrivedMs;
      URL.revokeObjectURL(address);
      if (first) {
        this.onFirst();
      }
    };
    this.element.src = address;
    URL.revokeObjectURL(before);
  }

  shownMs(): number {
    return this.arrivedMs;
  }

  tick(): void {
    // Nothing to do: each picture is shown when it comes.
  }

  close(): void {
    URL.revokeObjectURL(this.address);
    this.element.removeAttribute("src");
  }
}

function joined(parts: Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
