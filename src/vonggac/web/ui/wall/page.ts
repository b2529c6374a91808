// The wall page: what is on the wall stands in its address and is remembered; views, tours, windows.

import { age } from "../ages";
import { startAttention } from "../attention";
import { serverNow, setServerTime } from "../clock";
import { EventStream, showBanner } from "../stream";
import { Arrangement } from "./arrangement";
import { Board, playbackAddress } from "./board";
import { ViewDialogs } from "./dialogs";
import { Listing } from "./listing";
import { Tour } from "./tour";
import { CameraTree } from "./tree";
import { noteLast, type View, Views } from "./views";
import { say } from "./words";

interface Start {
  layout: number;
  cameras: string[];
  view: string | null;
  lost: boolean;
}

const REFRESH_MS = 30_000;
const SPREAD_MS = 1_500;
const REMEMBER_MS = 1_000;
/** A recorder speaks every 5 s. */
const OLD_AFTER_MS = 20_000;
const DWELL_KEY = "vonggac.wall.dwell";
/** Room for the list beside the tiles. */
const ROOMY = matchMedia("(min-width: 1000px)");
const TREE_KEY = "vonggac.wall.tree";

export class WallPage {
  private readonly listing = new Listing();
  private readonly views = new Views();
  private readonly board: Board;
  private readonly tree: CameraTree;
  private readonly tour: Tour;
  private readonly stream: EventStream;
  private readonly bare: boolean;
  /** The view that was opened, and whether it was changed since. */
  private viewId: string | null;
  private changed = false;
  /** Views that the present tour shows in turn; empty: it turns pages. */
  private stops: View[] = [];
  private stop = 0;
  private rememberTimer = 0;
  private refreshTimer = 0;

  constructor(private readonly root: HTMLElement) {
    const start = JSON.parse(root.dataset.start ?? "{}") as Start;
    setServerTime(Number(root.dataset.now));
    this.bare = root.dataset.bare !== undefined;
    this.viewId = start.view;
    this.board = new Board(this.part("[data-stage]"), this.part("[data-tiles]"), this.part("#wall-choose"), this.listing, {
      arranged: () => this.arranged(),
      shown: () => this.shown(),
      touched: () => this.pauseTour(),
      key: (event) => this.key(event),
    });
    this.tree = new CameraTree(
      this.part("[data-tree]"),
      this.part<HTMLInputElement>("[data-search]"),
      this.part("[data-count]"),
      this.listing,
      {
        pick: (camera) => this.picked(() => this.board.pick(camera)),
        pickUnit: (unit) => this.picked(() => this.board.pickUnit(unit)),
      },
    );
    this.tour = new Tour({
      count: () => (this.stops.length > 0 ? this.stops.length : this.board.pages),
      at: () => (this.stops.length > 0 ? this.stop : this.board.page),
      go: (step) => this.goTo(step),
      changed: () => this.paintTour(),
    });
    new ViewDialogs(root, this.views, {
      arrangement: () => this.board.arrangement,
      current: () => this.views.view(this.viewId),
      kept: (id, name) => this.kept(id, name),
      deleted: (name) => this.deleted(name),
      failed: () => this.board.desk.note(say("view_failed")),
      tour: (stops, dwellS) => this.runTour(stops, dwellS),
    }).listen(this.part("[data-save]"), this.part("[data-make-tour]"));
    this.listen();
    const usual = (): void => this.showTree(remembered(TREE_KEY) !== "closed" && ROOMY.matches && !this.bare);
    ROOMY.addEventListener("change", usual);
    usual();
    this.stream = new EventStream({ reload: () => this.soon(0), changed: (topic) => this.heard(topic) });
    setInterval(() => this.soon(0), REFRESH_MS);
    setInterval(() => this.tick(), 1_000);
    void this.begin(start);
  }

  private async begin(start: Start): Promise<void> {
    const [listed] = await Promise.all([this.listing.fetch(), this.views.fetch()]);
    if (listed === false) {
      this.stream.end();
    }
    this.board.load(new Arrangement(start.layout, start.cameras));
    this.tree.draw();
    this.shown();
    const view = this.views.view(this.viewId);
    if (view && view.stops.length > 0) {
      this.startTour(view.stops, view.dwell_s);
    }
    if (start.lost) {
      this.part("[data-lost]").hidden = false;
    }
    this.board.focus();
    startAttention(this.part("[data-attention]"), (cameraId) => this.board.callUp(cameraId));
  }

  private listen(): void {
    for (const button of this.root.querySelectorAll<HTMLButtonElement>("[data-layout]")) {
      button.addEventListener("click", () => this.board.setLayout(Number(button.dataset.layout)));
    }
    this.viewSelect.addEventListener("change", () => this.open(this.viewSelect.value));
    this.dwellSelect.value = remembered(DWELL_KEY) || "20";
    this.tour.dwellS = Number(this.dwellSelect.value) || 20;
    this.dwellSelect.addEventListener("change", () => this.setDwell(Number(this.dwellSelect.value)));
    this.on("[data-previous]", () => this.tour.step(-1));
    this.on("[data-next]", () => this.tour.step(1));
    this.on("[data-play]", () => this.toggleTour());
    this.on("[data-toggle-tree]", () => this.showTree(Boolean(this.part("[data-side]").hidden), true));
    this.on("[data-full]", () => void this.fullScreen());
    this.on("[data-window]", () => this.secondScreen());
    this.on("[data-dismiss]", () => (this.part("[data-lost]").hidden = true));
    this.part("[data-playback]").addEventListener("pointerenter", () => this.paintPlayback());
    this.part("[data-playback]").addEventListener("focus", () => this.paintPlayback());
    document.addEventListener("keydown", (event) => this.anywhere(event));
    addEventListener("pagehide", () => this.rememberNow());
  }

  private heard(topic: string): void {
    this.soon(/^(camera|unit)\./.test(topic) ? 0 : Math.random() * SPREAD_MS);
  }

  private soon(delayMs: number): void {
    if (!document.hidden && !this.refreshTimer) {
      this.refreshTimer = window.setTimeout(() => {
        this.refreshTimer = 0;
        void this.refresh();
      }, delayMs);
    }
  }

  private async refresh(): Promise<void> {
    const listed = await this.listing.fetch();
    if (listed === false) {
      this.stream.end();
    } else if (listed) {
      this.tree.update();
      this.board.refresh();
      this.markShown();
    }
  }

  private tick(): void {
    const old = serverNow() - this.listing.updatedMs;
    const banner = document.querySelector<HTMLElement>('[data-banner="old"]');
    if (this.listing.updatedMs > 0 && banner) {
      showBanner("old", old > OLD_AFTER_MS, (banner.dataset.text ?? "").replace("{age}", age(old)));
    }
    this.part("[data-progress]").style.setProperty("--share", String(this.tour.share));
  }

  /** Somebody arranged by hand: it is no longer the view as it was saved. */
  private arranged(): void {
    this.leaveStops();
    const view = this.views.view(this.viewId);
    this.changed = !view || !this.board.arrangement.equals(new Arrangement(view.layout, view.cameras));
    clearTimeout(this.rememberTimer);
    this.rememberTimer = window.setTimeout(() => this.rememberNow(), REMEMBER_MS);
  }

  private rememberNow(): void {
    if (!this.rememberTimer) {
      return;
    }
    clearTimeout(this.rememberTimer);
    this.rememberTimer = 0;
    if (!this.bare) {
      void noteLast(this.board.arrangement.layout, this.board.arrangement.cameras);
    }
  }

  private shown(): void {
    for (const button of this.root.querySelectorAll<HTMLButtonElement>("[data-layout]")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.layout) === this.board.arrangement.layout));
    }
    this.views.fill(this.viewSelect, this.viewId, this.changed);
    this.paintTour();
    this.paintPlayback();
    this.markShown();
    const address = this.address();
    if (address !== location.pathname + location.search) {
      history.replaceState(null, "", address);
    }
    for (const field of document.querySelectorAll<HTMLInputElement>('.switches [name="next"]')) {
      field.value = address;
    }
  }

  private address(): string {
    const bare = this.bare ? "&bare=1" : "";
    if (this.viewId && !this.changed) {
      return `/wall?view=${this.viewId}${bare}`;
    }
    const { layout, cameras } = this.board.arrangement;
    const numbers = cameras.map((id) => this.listing.camera(id)?.number ?? "");
    return `/wall?layout=${layout}&cameras=${numbers.join(",")}${bare}`;
  }

  private markShown(): void {
    this.tree.markShown(new Set(this.board.onScreen.map((camera) => camera.id)));
  }

  private open(id: string): void {
    const view = this.views.view(id);
    if (!view) {
      return;
    }
    this.leaveStops();
    this.viewId = id;
    this.changed = false;
    this.board.load(new Arrangement(view.layout, view.cameras));
    if (view.stops.length > 0) {
      this.startTour(view.stops, view.dwell_s);
    }
    this.rememberTimer ||= window.setTimeout(() => this.rememberNow(), REMEMBER_MS);
  }

  private kept(id: string, name: string): void {
    this.leaveStops();
    this.viewId = id;
    this.changed = false;
    const view = this.views.view(id);
    if (view && view.stops.length > 0) {
      this.startTour(view.stops, view.dwell_s);
    }
    this.shown();
    this.board.desk.note(say("view_kept", { view: name }));
    this.board.focus();
  }

  private deleted(name: string): void {
    this.viewId = null;
    this.changed = true;
    this.shown();
    this.board.desk.note(say("view_deleted", { view: name }));
    this.board.focus();
  }

  /** A tour that is not saved: the address holds the stop that is shown. */
  private runTour(stops: string[], dwellS: number): void {
    this.viewId = null;
    this.changed = true;
    this.startTour(stops, dwellS);
    this.board.focus();
  }

  private startTour(stops: string[], dwellS: number): void {
    this.stops = stops.flatMap((id) => this.views.view(id) ?? []);
    this.stop = 0;
    this.setDwell(dwellS);
    if (this.stops.length > 0) {
      this.goTo(0);
      this.tour.start();
    }
  }

  private leaveStops(): void {
    this.stops = [];
    this.tour.end();
  }

  private goTo(step: number): void {
    const view = this.stops[step];
    if (view) {
      this.stop = step;
      this.board.load(new Arrangement(view.layout, view.cameras));
    } else {
      this.board.turn(step);
    }
  }

  private toggleTour(): void {
    if (this.tour.running) {
      this.pauseTour();
    } else if (this.steps < 2) {
      this.board.desk.note(say("tour_none"));
    } else {
      this.board.desk.clear();
      this.tour.start();
    }
  }

  private pauseTour(): void {
    if (this.tour.running) {
      this.tour.pause();
      this.board.desk.note(say("tour_paused"), true);
    }
  }

  private setDwell(seconds: number): void {
    this.tour.dwellS = seconds;
    if (![...this.dwellSelect.options].some((option) => option.value === String(seconds))) {
      this.dwellSelect.append(new Option(String(seconds), String(seconds)));
    }
    this.dwellSelect.value = String(seconds);
    remember(DWELL_KEY, String(seconds));
    if (this.tour.running) {
      this.tour.start();
    }
  }

  private get steps(): number {
    return this.stops.length > 0 ? this.stops.length : this.board.pages;
  }

  private paintTour(): void {
    const view = this.stops[this.stop];
    const values = view
      ? { view: view.name, page: this.stop + 1, pages: this.stops.length }
      : { page: this.board.page + 1, pages: this.board.pages };
    this.part("[data-pager]").hidden = this.steps < 2;
    this.part("[data-step]").textContent = say(view ? "stop" : "page", values);
    const play = this.part("[data-play]");
    play.setAttribute("aria-pressed", String(this.tour.running));
    play.classList.toggle("running", this.tour.running);
    play.title = say(this.tour.running ? "tour_pause" : "tour_start");
    play.setAttribute("aria-label", play.title);
    this.root.classList.toggle("touring", this.tour.running);
  }

  private paintPlayback(): void {
    const cameras = this.board.onScreen;
    const link = this.part<HTMLAnchorElement>("[data-playback]");
    link.hidden = cameras.length === 0;
    link.href = playbackAddress(cameras);
  }

  /** Keys of a tile that are about the page. */
  private key(event: KeyboardEvent): boolean {
    if (event.key === " ") {
      this.toggleTour();
      return true;
    }
    return false;
  }

  private anywhere(event: KeyboardEvent): void {
    const typing = event.target instanceof Element && event.target.matches("input, select, textarea");
    const modal = document.querySelector("dialog[open]");
    if (event.key === "Escape" && !modal && !ROOMY.matches && this.part("[data-side]").contains(document.activeElement)) {
      this.showTree(false);
      this.part("[data-toggle-tree]").focus();
    } else if (event.key === "/" && !typing && !modal && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      this.showTree(true);
      this.part<HTMLInputElement>("[data-search]").select();
    }
  }

  /** Somebody took something from the list: where the list lies over the tiles, it gives way. */
  private picked(put: () => void): void {
    put();
    if (!ROOMY.matches) {
      this.showTree(false);
      this.board.focus();
    }
  }

  private showTree(open: boolean, byHand = false): void {
    this.part("[data-side]").hidden = !open;
    this.part("[data-toggle-tree]").setAttribute("aria-expanded", String(open));
    if (byHand) {
      remember(TREE_KEY, open ? "open" : "closed");
    }
  }

  private async fullScreen(): Promise<void> {
    try {
      await (document.fullscreenElement ? document.exitFullscreen() : this.root.requestFullscreen());
      this.board.focus();
    } catch {
      this.board.desk.note(say("full_failed"));
    }
  }

  private secondScreen(): void {
    const address = this.address();
    const opened = open(this.bare ? address : `${address}&bare=1`, "_blank", "popup,width=1280,height=720");
    if (!opened) {
      this.board.desk.note(say("window_failed"));
    }
  }

  private on(selector: string, act: () => void): void {
    this.part(selector).addEventListener("click", act);
  }

  private get viewSelect(): HTMLSelectElement {
    return this.part("[data-views]");
  }

  private get dwellSelect(): HTMLSelectElement {
    return this.part("[data-dwell]");
  }

  private part<T extends Element = HTMLElement>(selector: string): T {
    const found = this.root.querySelector<T>(selector);
    if (!found) {
      throw new Error(`the page has no ${selector}`);
    }
    return found;
  }
}

function remembered(key: string): string {
  try {
    return localStorage.getItem(key) ?? "";
  } catch {
    return "";
  }
}

function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // A browser that keeps nothing: the usual is there again next time.
  }
}
