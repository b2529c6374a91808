// All tiles under one clock: what they are told, when the clock waits for them, and what happens where nothing was recorded.

import { serverNow } from "../clock";
import type { CameraEntry } from "./api";
import { MasterClock, Patience } from "./clock";
import type { Mode } from "./speeds";
import { type Beat, Tile } from "./tile";

const BEAT_MS = 100;
/** For so long all stand still for one that has no picture yet. */
const PATIENCE_MS = 4_000;
/** Closer to now than this the last pictures are still on their way to the index. */
const PRESENT_MS = 12_000;

export interface PlayerEvents {
  /** Anything that is shown may have changed. */
  moved(): void;
  /** The clock stopped by itself. */
  stopped(why: "present" | "end" | "start"): void;
}

export class Player {
  readonly clock: MasterClock;
  readonly tiles: Tile[] = [];
  skipGaps = true;

  private readonly patience = new Map<Tile, Patience>();
  private beatSoon = 0;
  private wasRunning = false;

  constructor(
    private readonly stage: HTMLElement,
    startMs: number,
    private readonly events: PlayerEvents,
  ) {
    this.clock = new MasterClock(startMs, () => performance.now());
    setInterval(() => this.beat(), BEAT_MS);
    document.addEventListener("visibilitychange", () => this.hidden(document.hidden));
  }

  /** Show these cameras, in this order; those that stay keep their pictures. */
  show(cameras: CameraEntry[]): void {
    const before = new Map(this.tiles.map((tile) => [tile.camera.id, tile]));
    const now = cameras.map(
      (camera) => before.get(camera.id) ?? new Tile(camera, serverNow, () => this.soon()),
    );
    for (const tile of this.tiles) {
      if (!now.includes(tile)) {
        tile.close();
        this.patience.delete(tile);
      }
    }
    this.tiles.splice(0, this.tiles.length, ...now);
    for (const tile of now) {
      // Moving a video within the document would stop it.
      if (!tile.element.isConnected) {
        this.stage.append(tile.element);
      }
      tile.element.style.order = String(now.indexOf(tile));
      this.patience.set(tile, this.patience.get(tile) ?? new Patience(PATIENCE_MS, () => performance.now()));
    }
    this.stage.dataset.tiles = String(now.length);
    this.beat();
  }

  seek(ms: number): void {
    this.clock.set(Math.min(ms, serverNow()));
    for (const patience of this.patience.values()) {
      patience.renew();
    }
    this.beat();
  }

  play(): void {
    if (serverNow() - this.clock.now() < PRESENT_MS && this.clock.speed > 0) {
      this.events.stopped("present");
      return;
    }
    for (const tile of this.tiles) {
      tile.askAgainIfOpen();
    }
    this.clock.run();
    this.beat();
  }

  pause(): void {
    this.clock.pause();
    this.beat();
  }

  setSpeed(speed: number): void {
    this.clock.setSpeed(speed);
    this.beat();
  }

  /** Go to the picture after or before the one that a tile shows. */
  step(tile: Tile, step: 1 | -1): void {
    this.clock.pause();
    const ms = this.clock.now();
    // Where its pictures are not known a fifteenth of a second is a picture.
    this.seek(tile.neighbour(ms, step) ?? ms + (step * 1000) / 15);
  }

  /** What of the clock's movement can be shown: standing still it is always the exact picture. */
  get mode(): Mode {
    return this.clock.running ? this.clock.mode : "all";
  }

  private soon(): void {
    if (!this.beatSoon) {
      this.beatSoon = requestAnimationFrame(() => {
        this.beatSoon = 0;
        this.beat();
      });
    }
  }

  private beat(): void {
    const nowMs = serverNow();
    if (this.clock.running && this.clock.speed > 0 && this.clock.now() > nowMs - PRESENT_MS) {
      this.clock.pause();
      this.clock.set(nowMs - PRESENT_MS);
      this.events.stopped("present");
    }
    const beat: Beat = {
      ms: this.clock.now(),
      speed: this.clock.speed,
      mode: this.mode,
      running: this.clock.running,
      held: this.clock.holding,
      nowMs,
    };
    let waits = false;
    for (const tile of this.tiles) {
      tile.beat(beat);
      waits = (this.patience.get(tile)?.waits(tile.ready) ?? false) || waits;
    }
    if (waits !== this.clock.holding) {
      if (waits) {
        this.clock.hold();
      } else {
        this.clock.release();
      }
    }
    this.skip();
    this.events.moved();
  }

  /** Where no camera recorded anything the clock goes on to where one did. */
  private skip(): void {
    const found = this.tiles.map((tile) => tile.gap);
    if (!this.clock.running || !found.length || found.some((gap) => gap === null)) {
      return;
    }
    const forward = this.clock.speed > 0;
    const places = found.flatMap((gap) => (forward ? gap?.next_ms : gap?.previous_ms) ?? []);
    if (!places.length) {
      if (!forward) {
        this.clock.pause();
        this.events.stopped("start");
      } else if (this.skipGaps) {
        this.clock.pause();
        this.events.stopped("end");
      }
    } else if (this.skipGaps) {
      this.seek(forward ? Math.min(...places) : Math.max(...places) - 1);
    }
  }

  private hidden(hidden: boolean): void {
    if (hidden) {
      this.wasRunning = this.clock.running;
      this.pause();
    } else if (this.wasRunning) {
      this.play();
    }
  }
}
