// What the controls of the playback page do, and what stands in its address.

import { serverNow } from "../clock";
import { setText } from "../patch";
import { EventStream } from "../stream";
import { type Asked, MOST_CAMERAS, readAddress, readTime, writeAddress, writeTime } from "./address";
import { type Bookmark, type CameraEntry, Refused, send, type UnitEntry } from "./api";
import { BookmarkDialog } from "./bookmark";
import { Chooser } from "./chooser";
import { ClipDialog } from "./clip";
import { Keys } from "./keys";
import { cameraLabel } from "./label";
import { Listing } from "./listing";
import { Player } from "./player";
import { stepped } from "./speeds";
import { copyAddress, saveStill } from "./taking";
import type { Tile } from "./tile";
import { TimelineView } from "./timeline";
import { Tracks } from "./tracks";
import { readWhen } from "./when";
import { words } from "./words";
import type { Zone } from "./zone";

/** Where nobody said when: a little while ago, so that there is something to see. */
const START_BEFORE_MS = 120_000;
const ADDRESS_EVERY_MS = 3_000;
const LIST_EVERY_MS = 1_000;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

export class PlaybackPage {
  private readonly player: Player;
  private readonly timeline: TimelineView;
  private readonly tracks: Tracks;
  private readonly chooser: Chooser;
  private readonly listing: Listing;
  private readonly clip: ClipDialog;
  private readonly bookmark: BookmarkDialog;
  private readonly asked: Asked;
  private readonly notices: string[] = [];
  private shown: CameraEntry[] = [];
  private focused: CameraEntry | null = null;
  private addressAt = 0;
  private opened = false;

  constructor(
    private readonly root: HTMLElement,
    private readonly zone: Zone,
  ) {
    const { asked, problems } = readAddress(location.search, zone);
    this.asked = asked;
    this.notices.push(...problems.map(({ kind, value }) => words.say(`address-${kind}`, { value })));
    const future = asked.atMs !== null && asked.atMs > serverNow();
    if (future) {
      this.notices.push(words.say("time-future"));
    }
    const startMs = asked.atMs === null || future ? serverNow() - START_BEFORE_MS : asked.atMs;
    this.player = new Player(this.part("stage"), startMs, {
      moved: () => this.moved(),
      stopped: (why) => this.say(words.say(`stopped-${why}`)),
    });
    this.player.clock.setSpeed(asked.speed);
    this.tracks = new Tracks(() => this.tracked());
    this.timeline = new TimelineView(
      this.part<HTMLCanvasElement>("timeline"),
      this.part("readout"),
      this.part("legend"),
      JSON.parse(root.dataset.families ?? "{}") as Record<string, string>,
      this.tracks,
      zone,
      startMs,
      { seek: (ms) => this.seek(ms), selected: (selection) => this.selected(selection) },
    );
    this.timeline.selection = asked.selection;
    this.chooser = new Chooser(this.part("chooser"), (camera) => this.toggle(camera));
    this.listing = new Listing(this.part<HTMLDetailsElement>("listing"), this.tracks, {
      seek: (ms) => this.seek(ms),
      deleted: (camera, bookmark) => void this.deleteBookmark(camera, bookmark),
    });
    this.clip = new ClipDialog(this.part<HTMLDialogElement>("clip"), zone);
    this.bookmark = new BookmarkDialog(this.part<HTMLDialogElement>("bookmark"), (camera, bookmark) => {
      this.tracks.patch(camera, (bookmarks) => [...bookmarks, bookmark]);
      this.say(words.say("bookmarked", { time: words.exact(bookmark.at_ms) }));
    });
    this.listen();
  }

  /** The cameras are known: show those that the address names. */
  open(cameras: CameraEntry[], units: UnitEntry[]): void {
    this.chooser.fill(cameras, units);
    for (const name of this.asked.cameras) {
      const camera = cameras.find((one) => one.id === name || String(one.number) === name.replace(/^0+/, ""));
      if (!camera) {
        this.notices.push(words.say("address-unknown", { value: name }));
      } else if (!this.shown.includes(camera)) {
        this.shown.push(camera);
      }
    }
    this.opened = true;
    this.say();
    this.show();
    this.panel(this.shown.length === 0);
    if (!this.asked.paused && this.shown.length) {
      this.player.play();
    }
    new EventStream({ reload: () => this.tracks.renew(), changed: (topic, subject) => this.heard(topic, subject) });
    this.moved();
  }

  /** Say something; what was wrong in the address stays there too, until somebody takes it away. */
  say(line = ""): void {
    const notice = this.part("notice");
    const lines = [...this.notices, line].filter(Boolean);
    setText(notice.querySelector("[data-text]") ?? notice, lines.join("\n"));
    notice.hidden = lines.length === 0;
    this.part("link").hidden = true;
  }

  private closeNotice(): void {
    this.notices.length = 0;
    this.say();
  }

  private part<T extends HTMLElement = HTMLElement>(name: string): T {
    const found = this.root.querySelector<T>(`[data-part="${name}"]`);
    if (!found) {
      throw new Error(`the page has no part ${name}`);
    }
    return found;
  }

  // What is shown

  private show(): void {
    if (!this.focused || !this.shown.includes(this.focused)) {
      this.focused = this.shown[0] ?? null;
    }
    this.player.show(this.shown);
    this.timeline.show(this.shown);
    this.chooser.chosen(this.shown.map((camera) => camera.id));
    this.part("empty").hidden = this.shown.length > 0;
    const labels = this.shown.map((camera) => cameraLabel(camera, () => this.focus(camera), () => this.toggle(camera)));
    this.part("labels").replaceChildren(...labels);
    this.mark();
    for (const button of this.root.querySelectorAll<HTMLButtonElement>("[data-needs-camera]")) {
      button.disabled = this.shown.length === 0;
    }
    this.writeAddress();
  }

  private toggle(camera: CameraEntry): void {
    const running = this.player.clock.running || this.shown.length === 0;
    if (this.shown.includes(camera)) {
      this.shown = this.shown.filter((one) => one !== camera);
    } else if (this.shown.length < MOST_CAMERAS) {
      this.shown = [...this.shown, camera];
      this.focused = camera;
    }
    this.show();
    if (running && this.shown.length && !this.asked.paused) {
      this.player.play();
    }
  }

  private focus(camera: CameraEntry): void {
    this.focused = camera;
    this.mark();
  }

  private mark(): void {
    for (const tile of this.player.tiles) {
      tile.element.dataset.focused = String(tile.camera === this.focused && this.shown.length > 1);
    }
    for (const button of this.root.querySelectorAll<HTMLElement>("[data-focus]")) {
      button.setAttribute("aria-pressed", String(button.dataset.focus === this.focused?.id));
    }
  }

  private enlarge(): void {
    const stage = this.part("stage");
    const large = stage.dataset.large === "1" ? "" : "1";
    stage.dataset.large = large;
    this.part("large").setAttribute("aria-pressed", String(large === "1"));
  }

  private get tile(): Tile | null {
    return this.player.tiles.find((tile) => tile.camera === this.focused) ?? null;
  }

  // Where the clock stands

  private seek(ms: number): void {
    this.say();
    this.player.seek(ms);
    if (this.opened && this.shown.length && !this.asked.paused && !this.player.clock.running) {
      this.player.play(); // it had stopped by itself, at the end of what there was
    }
    this.timeline.reveal(ms);
    this.writeAddress();
  }

  private jump(ms: number): void {
    this.seek(this.player.clock.now() + ms);
  }

  private toggleRunning(): void {
    this.say();
    if (this.player.clock.running) {
      this.player.pause();
    } else {
      this.player.play();
    }
    this.asked.paused = !this.player.clock.running;
    this.writeAddress();
  }

  private setSpeed(speed: number): void {
    this.player.setSpeed(speed);
    this.writeAddress();
    this.moved();
  }

  private step(step: 1 | -1): void {
    if (this.tile) {
      this.player.step(this.tile, step);
      this.asked.paused = true;
      this.timeline.reveal(this.player.clock.now());
      this.writeAddress();
    }
  }

  private goTo(field: HTMLInputElement): void {
    const found = readWhen(field.value, serverNow(), this.player.clock.now(), this.zone);
    if ("problem" in found) {
      this.say(words.say(`time-${found.problem}`));
      field.setAttribute("aria-invalid", "true");
      field.select();
      return;
    }
    field.removeAttribute("aria-invalid");
    this.seek(found.ms);
    this.say(words.say("went-to", { time: words.exact(found.ms) }));
    field.blur();
  }

  private goToPicked(field: HTMLInputElement): void {
    const ms = readTime(field.value, this.zone);
    if (ms !== null) {
      this.seek(ms);
    }
  }

  // What moves by itself

  private moved(): void {
    const clock = this.player.clock;
    const ms = clock.now();
    this.timeline.moved(ms, clock.running);
    setText(this.part("time"), words.time(ms));
    setText(this.part("date"), `${words.weekday(ms)} ${words.date(ms)}`);
    this.showPicked(ms);
    const play = this.part("play");
    const state = clock.running ? "pause" : "play";
    if (play.dataset.state !== state) {
      play.dataset.state = state;
      play.setAttribute("aria-label", words.say(state));
      play.title = words.say(state);
    }
    for (const input of this.root.querySelectorAll<HTMLInputElement>("input[name=speed]")) {
      input.checked = Number(input.value) === Math.abs(clock.speed);
    }
    this.part("back").setAttribute("aria-pressed", String(clock.speed < 0));
    setText(this.part("keys-only"), clock.mode === "keys" ? words.say("keys-only") : "");
    if (this.opened && clock.running && performance.now() - this.addressAt > ADDRESS_EVERY_MS) {
      this.writeAddress();
    }
  }

  /** The moment to choose another one from; left alone while somebody is at it. */
  private showPicked(ms: number): void {
    const picked = this.part<HTMLInputElement>("picked");
    const value = writeTime(Math.floor(ms / 1000) * 1000, this.zone).slice(0, 19);
    if (document.activeElement !== picked && picked.value !== value) {
      picked.value = value;
    }
  }

  private tracked(): void {
    this.timeline.draw();
    this.listing.update(this.shown, this.timeline.view);
    setText(this.part("tracks-trouble"), this.tracks.trouble);
  }

  private heard(topic: string, subject: string | null): void {
    if (topic.startsWith("gap.")) {
      const camera = this.shown.find((one) => one.id === subject?.replaceAll("-", ""));
      if (camera) {
        this.tracks.renew(camera);
      }
    }
  }

  // The address

  private writeAddress(): void {
    if (!this.opened) {
      return;
    }
    this.addressAt = performance.now();
    // What could not be read stays where it is, until somebody chooses something else.
    const query = writeAddress(this.present(), this.zone);
    history.replaceState(null, "", `${location.pathname}${query}`);
    for (const field of document.querySelectorAll<HTMLInputElement>('.switches [name="next"]')) {
      field.value = location.pathname + location.search;
    }
    const login = document.querySelector<HTMLAnchorElement>('[data-banner="ended"] a');
    if (login) {
      login.href = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
    }
  }

  private present(): Asked {
    const clock = this.player.clock;
    const ms = clock.running ? Math.floor(clock.now() / 1000) * 1000 : clock.now();
    const cameras = this.shown.map((camera) => String(camera.number));
    return { cameras, atMs: ms, speed: clock.speed, paused: !clock.running, selection: this.timeline.selection };
  }

  private async copyLink(): Promise<void> {
    this.writeAddress();
    const field = this.part<HTMLInputElement>("link");
    const copied = await copyAddress(field);
    this.say(words.say(copied ? "link-copied" : "link-by-hand"));
    field.hidden = copied;
    field.select();
  }

  // The tools

  private selected(selection: [number, number] | null): void {
    const text = selection ? words.interval(selection[0], selection[1], serverNow()) : "";
    setText(this.part("selection"), text);
    this.part("selection-tools").hidden = !selection;
    this.writeAddress();
  }

  private selectEdge(edge: 0 | 1): void {
    const ms = this.player.clock.now();
    const [from, to] = this.timeline.selection ?? [ms, ms];
    const [start, end] = edge === 0 ? [ms, to > ms ? to : ms + MINUTE] : [from < ms ? from : ms - MINUTE, ms];
    this.timeline.select([start, end]);
  }

  private openClip(): void {
    if (this.focused) {
      this.clip.open(this.shown, this.focused, this.player.clock.now(), this.timeline.selection);
    }
  }

  private openBookmark(): void {
    if (this.focused) {
      this.player.pause();
      this.asked.paused = true;
      this.bookmark.open(this.focused, this.player.clock.now(), this.timeline.selection);
    }
  }

  private async deleteBookmark(camera: CameraEntry, bookmark: Bookmark): Promise<void> {
    try {
      await send(`/api/bookmarks/${bookmark.id}`, null, "DELETE");
      this.tracks.patch(camera, (bookmarks) => bookmarks.filter((one) => one.id !== bookmark.id));
    } catch (error) {
      this.say(error instanceof Refused ? error.words : words.say("failed"));
    }
  }

  private async saveStill(): Promise<void> {
    if (this.focused) {
      this.say(await saveStill(this.focused, this.tile?.shownMs || this.player.clock.now(), this.zone));
    }
  }

  private panel(open: boolean): void {
    this.part("chooser").hidden = !open;
    this.root.classList.toggle("choosing", open);
    this.part("choose").setAttribute("aria-expanded", String(open));
  }

  private chooseCameras(): void {
    const open = Boolean(this.part("chooser").hidden);
    this.panel(open);
    if (open) {
      this.chooser.focus();
    } else {
      this.part("choose").focus();
    }
  }

  // Buttons and keys

  private listen(): void {
    const commands: Record<string, () => void> = {
      play: () => this.toggleRunning(),
      "frame-back": () => this.step(-1),
      "frame-on": () => this.step(1),
      back: () => this.setSpeed(-this.player.clock.speed),
      bookmark: () => this.openBookmark(),
      still: () => void this.saveStill(),
      clip: () => this.openClip(),
      "copy-link": () => void this.copyLink(),
      choose: () => this.chooseCameras(),
      "close-chooser": () => this.chooseCameras(),
      large: () => this.enlarge(),
      "zoom-in": () => this.timeline.zoom(0.5),
      "zoom-out": () => this.timeline.zoom(2),
      unselect: () => this.timeline.select(null),
      "close-notice": () => this.closeNotice(),
    };
    this.root.addEventListener("click", (event) => {
      (event.target as Element).closest("[data-close]")?.closest("dialog")?.close();
      const button = (event.target as Element).closest<HTMLElement>("[data-do], [data-jump], [data-span]");
      if (button?.dataset.jump) {
        this.jump(Number(button.dataset.jump) * 1000);
      } else if (button?.dataset.span) {
        this.timeline.showSpan(Number(button.dataset.span) * 1000);
      } else if (button) {
        commands[button.dataset.do ?? ""]?.();
      }
    });
    this.listenToForms();
    this.part("stage").addEventListener("click", (event) => this.clicked(event));
    this.part("stage").addEventListener("focusin", (event) => this.clicked(event));
    this.part("stage").addEventListener("dblclick", () => this.enlarge());
    this.part("listing").addEventListener("toggle", () => this.listing.update(this.shown, this.timeline.view));
    setInterval(() => this.listing.update(this.shown, this.timeline.view), LIST_EVERY_MS);
    new Keys(this.keys(), document.querySelector("[data-keys-toggle]"));
  }

  private listenToForms(): void {
    const when = this.part<HTMLInputElement>("when");
    const picked = this.part<HTMLInputElement>("picked");
    this.part("go").addEventListener("submit", (event) => {
      event.preventDefault();
      this.goTo(when);
    });
    when.addEventListener("input", () => when.removeAttribute("aria-invalid"));
    picked.addEventListener("change", () => this.goToPicked(picked));
    this.root.addEventListener("change", (event) => {
      const input = event.target as HTMLInputElement;
      if (input.name === "speed") {
        this.setSpeed(Number(input.value) * Math.sign(this.player.clock.speed));
      } else if (input.name === "skip") {
        this.player.skipGaps = input.checked;
      }
    });
  }

  private clicked(event: Event): void {
    const tile = this.player.tiles.find((one) => one.element.contains(event.target as Node));
    if (tile) {
      this.focus(tile.camera);
    }
  }

  private keys(): Record<string, () => void> {
    const speed = (steps: number) => (): void => this.setSpeed(stepped(this.player.clock.speed, steps));
    const numbered = Object.fromEntries(
      Array.from({ length: MOST_CAMERAS }, (_, place) => [
        String(place + 1),
        () => this.shown[place] && this.focus(this.shown[place] as CameraEntry),
      ]),
    );
    return {
      ...numbered,
      " ": () => this.toggleRunning(),
      k: () => this.toggleRunning(),
      ".": () => this.step(1),
      ",": () => this.step(-1),
      ArrowLeft: () => this.jump(-10_000),
      ArrowRight: () => this.jump(10_000),
      "Shift+ArrowLeft": () => this.jump(-MINUTE),
      "Shift+ArrowRight": () => this.jump(MINUTE),
      j: () => this.jump(-HOUR),
      l: () => this.jump(HOUR),
      ">": speed(1),
      "<": speed(-1),
      ArrowUp: speed(1),
      ArrowDown: speed(-1),
      r: () => this.setSpeed(-this.player.clock.speed),
      g: () => this.part<HTMLInputElement>("when").focus(),
      c: () => this.chooseCameras(),
      b: () => this.openBookmark(),
      s: () => void this.saveStill(),
      x: () => this.openClip(),
      u: () => void this.copyLink(),
      f: () => this.enlarge(),
      i: () => this.selectEdge(0),
      o: () => this.selectEdge(1),
      "+": () => this.timeline.zoom(0.5),
      "=": () => this.timeline.zoom(0.5),
      "-": () => this.timeline.zoom(2),
      "[": () => this.timeline.pan(-0.25),
      "]": () => this.timeline.pan(0.25),
      Escape: () => this.closeNotice(),
    };
  }
}
