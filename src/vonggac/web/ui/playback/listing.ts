// What the timeline shows, as a list in words: gaps with their reasons, bookmarks with their notes.

import { age } from "../ages";
import { serverNow } from "../clock";
import type { Bookmark, CameraEntry, Gap } from "./api";
import type { View } from "./scale";
import type { Tracks } from "./tracks";
import { words } from "./words";

const MOST = 200;

export interface ListingEvents {
  seek(ms: number): void;
  deleted(camera: CameraEntry, bookmark: Bookmark): void;
}

interface Line {
  ms: number;
  camera: CameraEntry;
  when: string;
  lasts: string;
  what: string;
  bookmark?: Bookmark;
}

export class Listing {
  private written = "";

  constructor(
    private readonly root: HTMLDetailsElement,
    private readonly tracks: Tracks,
    private readonly events: ListingEvents,
  ) {}

  /** Write the list anew, if somebody has it open and it says something else. */
  update(cameras: CameraEntry[], view: View): void {
    if (!this.root.open) {
      return;
    }
    const lines = cameras.flatMap((camera) => this.lines(camera, view)).sort((one, other) => one.ms - other.ms);
    const text = JSON.stringify(lines.map(({ ms, camera, what, lasts }) => [ms, camera.id, what, lasts]));
    const body = this.root.querySelector("tbody");
    if (!body || text === this.written || body.contains(document.activeElement)) {
      return;
    }
    this.written = text;
    body.replaceChildren(...lines.slice(0, MOST).map((line) => this.row(line)));
    const empty = this.root.querySelector<HTMLElement>("[data-none]");
    if (empty) {
      empty.hidden = lines.length > 0;
    }
  }

  private lines(camera: CameraEntry, view: View): Line[] {
    const track = this.tracks.of(camera);
    const inView = (from: number, to: number): boolean => from < view.toMs && to > view.fromMs;
    const gaps = (track?.gaps ?? []).filter((gap) => inView(gap.from, gap.to ?? serverNow()));
    const bookmarks = (track?.bookmarks ?? []).filter((one) => inView(one.at_ms, (one.to_ms ?? one.at_ms) + 1));
    return [
      ...gaps.map((gap) => this.gapLine(camera, gap, track?.due_to_ms ?? serverNow())),
      ...bookmarks.map((bookmark) => ({
        ms: bookmark.at_ms,
        camera,
        when: words.exact(bookmark.at_ms),
        lasts: bookmark.to_ms === null ? "" : age(bookmark.to_ms - bookmark.at_ms),
        what: `⚑ ${bookmark.note}${bookmark.by ? ` (${bookmark.by})` : ""}`,
        bookmark,
      })),
    ];
  }

  private gapLine(camera: CameraEntry, gap: Gap, untilMs: number): Line {
    const { fromMs, toMs } = this.tracks.asked(camera);
    // What is cut off where the question was lasts longer than is known.
    const [before, beyond] = [gap.from <= fromMs, gap.to !== null && gap.to >= toMs];
    const goesOn = gap.to === null || gap.to >= untilMs;
    const lasts = goesOn && !beyond ? words.say("goes-on") : age((gap.to ?? untilMs) - gap.from);
    return {
      ms: gap.from,
      camera,
      when: `${before ? "≤ " : ""}${words.exact(gap.from)}`,
      lasts: `${(before || beyond) && !goesOn ? "≥ " : ""}${lasts}`,
      what: gap.words,
    };
  }

  private row(line: Line): HTMLElement {
    const row = document.createElement("tr");
    const go = document.createElement("button");
    go.type = "button";
    go.className = "link";
    go.textContent = line.when;
    go.addEventListener("click", () => this.events.seek(line.ms));
    const cells: (string | HTMLElement)[] = [go, `${line.camera.number} ${line.camera.name}`, line.what, line.lasts, ""];
    const bookmark = line.bookmark;
    if (bookmark && bookmark.may_delete !== false) {
      const remove = document.createElement("button");
      remove.type = "button";
      remove.textContent = words.say("delete");
      remove.setAttribute("aria-label", words.say("delete-bookmark", { note: bookmark.note }));
      remove.addEventListener("click", () => this.events.deleted(line.camera, bookmark));
      cells[4] = remove;
    }
    row.append(
      ...cells.map((cell) => {
        const element = document.createElement("td");
        element.append(cell);
        return element;
      }),
    );
    return row;
  }
}
