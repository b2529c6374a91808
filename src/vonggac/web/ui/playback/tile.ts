// One camera's tile: its picture at the moment of the master clock, or in plain words why there is none.

import { setText } from "../patch";
import { type CameraEntry, get, type Moment, Refused } from "./api";
import { steer } from "./clock";
import { Feed } from "./feed";
import type { Mode } from "./speeds";
import { words } from "./words";

/** A tile that was just sent elsewhere is not sent again before it is there. */
const SEEK_PAUSE_MS = 600;
const MOST_LEAD_MS = 500;
/** Where the browser has no decoder the server makes a picture, at most so often. */
const STILL_EVERY_MS = 1_000;
/** So much may lack at a buffer's edge, and a picture is found all the same. */
const EDGE_S = 0.02;
/** Standing still for a moment (somebody else's picture is not there yet), a few pictures more or less do not matter. */
const HELD_MS = 250;
/** A bare word of loading before this would only flicker. */
const SAY_LOADING_AFTER_MS = 400;

/** What all tiles are told, many times a second. */
export interface Beat {
  ms: number;
  speed: number;
  mode: Mode;
  /** The clock is to run (it may be held). */
  running: boolean;
  held: boolean;
  /** The centre's time. */
  nowMs: number;
}

export class Tile {
  readonly element = document.createElement("article");
  readonly video = document.createElement("video");
  /** Whether it shows what it should, or has nothing to show. */
  ready = false;
  /** Whether nothing was recorded at this moment; `nextMs`: when footage begins again. */
  gap: Moment | null = null;
  /** When the picture that is shown was taken; 0: none is. */
  shownMs = 0;

  private readonly feed: Feed;
  private readonly cover = document.createElement("div");
  private readonly note = document.createElement("p");
  private readonly still = document.createElement("img");
  private moment: { fromMs: number; toMs: number; found: Moment } | null = null;
  private asked = 0;
  private soughtAt = 0;
  private seekLasted = 120;
  private stillAt = 0;
  private stillMs = 0;
  private waitingSince = 0;
  private keyShown = 0;

  constructor(
    readonly camera: CameraEntry,
    nowMs: () => number,
    private readonly changed: () => void,
  ) {
    this.element.className = "tile";
    this.element.dataset.camera = String(camera.number);
    this.element.tabIndex = 0;
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", `${camera.number} ${camera.name}`);
    Object.assign(this.video, { muted: true, playsInline: true, disablePictureInPicture: true, disableRemotePlayback: true });
    this.video.setAttribute("aria-hidden", "true");
    this.still.alt = "";
    this.still.hidden = true;
    this.cover.className = "cover";
    this.note.className = "note";
    const caption = document.createElement("p");
    caption.className = "caption";
    const number = document.createElement("b");
    number.textContent = String(camera.number);
    caption.append(number, ` ${camera.name}`);
    this.element.append(this.video, this.still, this.cover, caption, this.note);
    this.feed = new Feed(this.video, camera.id, nowMs, changed);
    this.video.addEventListener("seeked", () => {
      this.seekLasted = 0.7 * this.seekLasted + 0.3 * Math.min(MOST_LEAD_MS, performance.now() - this.soughtAt);
      changed();
    });
    this.video.addEventListener("canplay", changed);
    this.watchPictures();
  }

  close(): void {
    this.feed.close();
    this.element.remove();
  }

  /** Ask anew what was recorded lately: what was not there may be there by now. */
  askAgainIfOpen(): void {
    if (this.moment && this.moment.found.next_ms === null) {
      this.moment = null;
    }
  }

  /** When the next (1) or last (-1) picture was taken; null: not known yet. */
  neighbour(ms: number, step: 1 | -1): number | null {
    return this.feed.neighbour(ms, step);
  }

  beat(beat: Beat): void {
    this.feed.aim(beat.ms, beat.speed, beat.mode);
    const has = this.feed.has(beat.ms);
    this.gap = null;
    if (this.feed.unsupported && has !== "gap") {
      this.showStill(beat);
      return;
    }
    this.still.hidden = true;
    if (has === "gap" || has === "damaged") {
      this.video.pause();
      this.showGap(beat, has === "damaged");
      return;
    }
    if (has === "there" && beat.mode === "keys") {
      this.showKey(beat);
    } else if (has === "there") {
      this.follow(beat);
    } else {
      this.video.pause();
      this.ready = false;
    }
    this.saySo(has === "there" && this.shownMs > 0);
  }

  /** Play along with the clock, or stand at its moment. */
  private follow(beat: Beat): void {
    const video = this.video;
    const aheadMs = Feed.moment(video.currentTime) - beat.ms;
    if (!beat.running || beat.held) {
      video.pause();
      if (!this.arriving && Math.abs(aheadMs) > (beat.running ? HELD_MS : 0.6)) {
        this.seek(beat.ms);
      }
      this.ready = !video.seeking && video.readyState >= video.HAVE_CURRENT_DATA;
      return;
    }
    const { rate, seek } = steer(aheadMs, beat.speed);
    if (seek && !this.arriving && performance.now() - this.soughtAt > SEEK_PAUSE_MS) {
      // By the time it is there the clock has gone on.
      this.seek(beat.ms + this.seekLasted * beat.speed);
    }
    if (Math.abs(video.playbackRate - rate) > 0.004) {
      video.playbackRate = rate;
    }
    if (video.paused) {
      void video.play().catch(() => undefined);
    }
    this.ready = video.readyState >= video.HAVE_FUTURE_DATA && !video.seeking;
  }

  private showKey(beat: Beat): void {
    const key = this.feed.keyFrame(beat.ms);
    this.video.pause();
    if (key && !this.arriving && Math.abs(Feed.moment(this.video.currentTime) - key.fromMs) > 0.6) {
      this.keyShown = key.fromMs;
      this.seek(key.fromMs);
    }
    // The clock does not wait for each key frame to be painted: the next one corrects it.
    this.ready = this.video.readyState >= this.video.HAVE_CURRENT_DATA || this.keyShown > 0;
  }

  /** Whether it is on its way to a place that it will reach: one that was let go of it would wait for for ever. */
  private get arriving(): boolean {
    const { seeking, currentTime, buffered } = this.video;
    if (!seeking) {
      return false;
    }
    for (let index = 0; index < buffered.length; index++) {
      if (buffered.start(index) - EDGE_S <= currentTime && currentTime <= buffered.end(index) + EDGE_S) {
        return true;
      }
    }
    return false;
  }

  private seek(ms: number): void {
    this.soughtAt = performance.now();
    this.video.currentTime = Feed.seconds(ms);
  }

  private saySo(shows: boolean): void {
    const now = performance.now();
    this.waitingSince = shows && !this.video.seeking ? 0 : this.waitingSince || now;
    const trouble = this.feed.trouble;
    const late = this.waitingSince > 0 && now - this.waitingSince > SAY_LOADING_AFTER_MS;
    this.element.dataset.state = trouble ? "trouble" : late ? "loading" : "shows";
    this.show(trouble ? trouble.words : late ? words.say("loading") : "");
    this.cover.hidden = true;
  }

  private show(note: string): void {
    setText(this.note, note);
    this.note.hidden = !note;
  }

  private showGap(beat: Beat, damaged: boolean): void {
    this.ready = true;
    this.waitingSince = 0;
    this.shownMs = 0;
    this.element.dataset.state = "gap";
    this.show("");
    this.cover.hidden = false;
    const known = this.moment;
    if (damaged) {
      this.write(words.say("damaged"), "", "");
    } else if (known && known.fromMs <= beat.ms && beat.ms < known.toMs) {
      this.gap = known.found;
      this.sayGap(known.found, beat);
    } else {
      void this.askMoment(beat.ms);
    }
  }

  private sayGap(found: Moment, beat: Beat): void {
    const { gap } = found;
    this.element.dataset.reason = gap?.reason ?? "";
    if (gap) {
      // What nothing follows goes on.
      const to = found.next_ms === null ? null : gap.to;
      this.write(gap.words, words.interval(gap.from, to, beat.nowMs), gap.detail ?? "");
    } else if (found.next_ms === null && found.previous_ms !== null) {
      this.write(words.say("not-yet"), words.say("last-picture", { time: words.exact(found.previous_ms) }), "");
    } else {
      const begins = found.next_ms === null ? "" : words.say("begins", { time: words.exact(found.next_ms) });
      this.write(words.say("nothing"), begins, "");
    }
  }

  private write(why: string, when: string, detail: string): void {
    const lines = [
      ["why", why],
      ["when", when],
      ["detail", detail],
    ] as const;
    for (const [name, text] of lines) {
      let line = this.cover.querySelector(`.${name}`);
      if (!line) {
        line = document.createElement("p");
        line.className = name;
        if (name === "detail") {
          // As the recorder noted it.
          line.setAttribute("lang", "en");
        }
        this.cover.append(line);
      }
      setText(line, text);
    }
  }

  private async askMoment(ms: number): Promise<void> {
    if (performance.now() < this.asked) {
      return;
    }
    this.asked = performance.now() + 1_000;
    try {
      const found = await get<Moment>(`/api/moment?camera=${this.camera.id}&at=${Math.floor(ms)}`);
      const fromMs = Math.max(found.gap?.from ?? Number.NEGATIVE_INFINITY, found.previous_ms ?? Number.NEGATIVE_INFINITY);
      const toMs = Math.min(found.gap?.to ?? Number.POSITIVE_INFINITY, found.next_ms ?? Number.POSITIVE_INFINITY);
      // What goes on may end at any time.
      const open = found.next_ms === null;
      this.moment = { fromMs: Math.min(fromMs, ms), toMs: Math.max(Math.min(toMs, open ? ms + 15_000 : toMs), ms + 1_000), found };
      this.asked = 0;
      if (found.recorded) {
        this.feed.askAgain();
      }
    } catch (error) {
      this.write(error instanceof Refused ? error.words : words.say("failed"), "", "");
    }
    this.changed();
  }

  /** Pictures that this browser cannot decode come as JPEG, one a second; and it says so. */
  private showStill(beat: Beat): void {
    this.ready = true;
    this.element.dataset.state = "still";
    this.cover.hidden = true;
    this.still.hidden = false;
    this.show(words.say("no-decoder"));
    const stale = beat.running ? performance.now() - this.stillAt > STILL_EVERY_MS : this.stillMs !== beat.ms;
    if (stale && (this.still.complete || performance.now() - this.stillAt > 10 * STILL_EVERY_MS)) {
      this.stillAt = performance.now();
      this.stillMs = beat.ms;
      this.shownMs = beat.ms;
      this.still.src = `/playback/${this.camera.id}/still.jpg?at=${Math.floor(beat.ms)}&strip=0`;
    }
  }

  private watchPictures(): void {
    const shown = (_: number, picture: VideoFrameCallbackMetadata): void => {
      this.shownMs = Feed.moment(picture.mediaTime);
      this.video.requestVideoFrameCallback(shown);
    };
    this.video.requestVideoFrameCallback(shown);
  }
}
