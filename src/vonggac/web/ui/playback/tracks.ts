// What the timeline knows of each camera: recorded stretches, gaps, marks and bookmarks of what is in view and beside it.

import { serverNow } from "../clock";
import { type Bookmark, type CameraEntry, get, Refused, type Timeline } from "./api";
import { span, type View } from "./scale";

const SETTLE_MS = 150;
/** While the view keeps moving (it follows the clock, somebody drags it) it is asked for all the same, so often. */
const AT_LATEST_MS = 1_000;
/** What reaches to now is asked for again so often. */
const AGAIN_MS = 30_000;
const MOST_CELLS = 3_000;
/** Longer answers have no marks from sizes, and longer ones still are told by hours (vonggac.video.playback.timeline). */
const MARKED_MS = 2 * 3_600_000;
const FINE_MS = 48 * 3_600_000;
/** What rounding to milliseconds may add. */
const ROUNDED_MS = 2;
/** Finer by more than this than what was asked for, and it is asked for anew. */
const FINER = 2;

/** What a question is about. */
interface Range extends View {
  cellMs: number;
}

interface Asking extends Range {
  abort: AbortController;
}

interface Held extends Range {
  at: number;
  data: Timeline;
}

/** How much beside the view is asked for with it: as much again, unless the server would then tell less. */
function margin(wide: number): number {
  // Where hardly anything beside it would fit, each small move would be a question.
  const limit = [MARKED_MS, FINE_MS].find((one) => wide <= 0.9 * one);
  return limit === undefined ? wide : Math.min(wide, (limit - ROUNDED_MS - wide) / 2);
}

export class Tracks {
  trouble = "";
  private cameras: CameraEntry[] = [];
  private readonly held = new Map<string, Held>();
  private readonly asking = new Map<string, Asking>();
  private timer = 0;
  /** Since when something is wanted that nobody asked for yet. */
  private wantedAt: number | null = null;
  private view: View = { fromMs: 0, toMs: 1 };
  private width = 1;

  constructor(private readonly changed: () => void) {
    setInterval(() => this.want(this.view, this.width), AGAIN_MS / 3);
  }

  show(cameras: CameraEntry[]): void {
    this.cameras = cameras;
    for (const id of [...this.held.keys()]) {
      if (!cameras.some((camera) => camera.id === id)) {
        this.held.delete(id);
      }
    }
    this.want(this.view, this.width);
  }

  /** What was asked for: what begins or ends there may go on beyond it. */
  asked(camera: CameraEntry): View {
    return this.held.get(camera.id) ?? { fromMs: 0, toMs: Number.POSITIVE_INFINITY };
  }

  of(camera: CameraEntry): Timeline | null {
    return this.held.get(camera.id)?.data ?? null;
  }

  /** Say what is in view; what is missing for it comes a moment later. */
  want(view: View, width: number): void {
    this.view = view;
    this.width = width;
    clearTimeout(this.timer);
    this.wantedAt ??= performance.now();
    const left = this.wantedAt + AT_LATEST_MS - performance.now();
    this.timer = window.setTimeout(() => {
      this.wantedAt = null;
      for (const camera of document.hidden ? [] : this.cameras) {
        const asking = this.asking.get(camera.id);
        if (!this.serves(camera) && !(asking && this.covers(asking))) {
          void this.ask(camera);
        }
      }
    }, Math.max(0, Math.min(SETTLE_MS, left)));
  }

  /** Something of a camera changed (a bookmark was set, a gap began). */
  renew(camera?: CameraEntry): void {
    for (const [id, held] of this.held) {
      if (!camera || camera.id === id) {
        held.at = Number.NEGATIVE_INFINITY;
      }
    }
    for (const [id, asking] of this.asking) {
      // What is under way may not know of it yet.
      if (!camera || camera.id === id) {
        asking.abort.abort();
        this.asking.delete(id);
      }
    }
    this.want(this.view, this.width);
  }

  /** Note a change of bookmarks before the server says it. */
  patch(camera: CameraEntry, change: (bookmarks: Bookmark[]) => Bookmark[]): void {
    const held = this.held.get(camera.id);
    if (held) {
      held.data.bookmarks = change(held.data.bookmarks);
      this.changed();
    }
    this.renew(camera);
  }

  private serves(camera: CameraEntry): boolean {
    const held = this.held.get(camera.id);
    if (!held || !this.covers(held)) {
      return false;
    }
    return performance.now() - held.at < (held.toMs >= serverNow() - AGAIN_MS ? AGAIN_MS : 20 * AGAIN_MS);
  }

  /** Whether an answer about it tells all that is in view, fine enough. */
  private covers(range: Range): boolean {
    if (range.fromMs > Math.max(0, this.view.fromMs) || range.toMs < Math.min(this.view.toMs, serverNow())) {
      return false;
    }
    const cellMs = span(this.view) / this.width;
    return range.cellMs <= cellMs * FINER && range.cellMs >= cellMs / 20;
  }

  private async ask(camera: CameraEntry): Promise<void> {
    this.asking.get(camera.id)?.abort.abort();
    const abort = new AbortController();
    const wide = span(this.view);
    const beside = margin(wide);
    const fromMs = Math.max(0, Math.floor(this.view.fromMs - beside));
    const toMs = Math.ceil(this.view.toMs + beside);
    const cellMs = wide / this.width;
    this.asking.set(camera.id, { fromMs, toMs, cellMs, abort });
    const cells = Math.min(MOST_CELLS, Math.max(30, Math.round((this.width * (toMs - fromMs)) / wide)));
    try {
      const path = `/api/timeline?camera=${camera.id}&from=${fromMs}&to=${toMs}&cells=${cells}`;
      const data = await get<Timeline>(path, abort.signal);
      this.held.set(camera.id, { fromMs, toMs, cellMs, at: performance.now(), data });
      this.trouble = "";
      this.changed();
    } catch (error) {
      if (error instanceof Refused) {
        this.trouble = error.words;
        this.changed();
      }
    } finally {
      if (this.asking.get(camera.id)?.abort === abort) {
        this.asking.delete(camera.id);
      }
    }
  }
}
