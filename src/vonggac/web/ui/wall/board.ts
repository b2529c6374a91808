// The board: the tiles on the screen, which is chosen, what is dragged where, and the keys.

import { Arrangement, MOST_PLACES } from "./arrangement";
import { Chooser } from "./chooser";
import { Desk } from "./desk";
import type { Camera, Listing, Unit } from "./listing";
import { TileMenu } from "./menu";
import { centreZone, WallTile } from "./tile";
import { CAMERA_TYPE } from "./tree";
import { say } from "./words";
import { serverNow } from "../clock";

export interface BoardEvents {
  /** Somebody arranged something by hand. */
  arranged(): void;
  /** Another page, or another arrangement, is on the screen. */
  shown(): void;
  /** Somebody touched the board: a tour pauses. */
  touched(): void;
  /** A key that the board does not know. */
  key(event: KeyboardEvent): boolean;
}

const TILE_TYPE = "application/x-vonggac-tile";
const PHONE = matchMedia("(max-width: 640px)");
const PHONE_TILES = 4;
const BACK_MS = 30_000;
/** Playback shows so many cameras in step. */
const MOST_IN_STEP = 9;

export class Board {
  arrangement = new Arrangement(9, []);
  page = 0;
  readonly desk: Desk;
  private readonly tiles: WallTile[] = [];
  private selected = 0;
  private alone = false;
  private swapping: number | null = null;
  private readonly menu: TileMenu;
  private readonly chooser: Chooser;

  constructor(
    stage: HTMLElement,
    private readonly grid: HTMLElement,
    dialog: HTMLDialogElement,
    private readonly listing: Listing,
    private readonly events: BoardEvents,
  ) {
    this.desk = new Desk(must(stage, "[data-readout]"), (digits) => this.describe(digits));
    this.chooser = new Chooser(dialog, listing);
    this.menu = new TileMenu(stage, {
      alone: () => this.toggleAlone(),
      isAlone: () => this.alone,
      playback: (tile) => playbackAddress(tile.camera ? [tile.camera] : []),
      change: (tile) => this.choose(tile.index),
      swap: (tile) => this.beginSwap(tile.index),
      clear: (tile) => this.put(tile.index, ""),
      focus: (tile) => this.select(tile.index, true),
    });
    grid.addEventListener("keydown", (event) => this.key(event));
    grid.addEventListener("pointerdown", (event) => this.touch(event));
    grid.addEventListener("click", (event) => this.click(event));
    grid.addEventListener("contextmenu", (event) => this.contextMenu(event));
    grid.addEventListener("dragstart", (event) => this.dragStart(event));
    grid.addEventListener("dragover", (event) => this.dragOver(event));
    grid.addEventListener("dragleave", () => this.markTarget(null));
    grid.addEventListener("drop", (event) => this.drop(event));
    grid.addEventListener("dragend", () => this.markTarget(null));
    PHONE.addEventListener("change", () => this.turn(this.page));
    new ResizeObserver(() => this.fit()).observe(grid);
    setInterval(() => this.tiles.forEach((tile) => tile.tick()), 1_000);
  }

  /** How many tiles are on the screen. */
  get size(): number {
    return PHONE.matches ? Math.min(this.arrangement.layout, PHONE_TILES) : this.arrangement.layout;
  }

  get pages(): number {
    return this.arrangement.pages(this.size);
  }

  /** Cameras on the screen now, in the order of the tiles. */
  get onScreen(): Camera[] {
    return this.tiles.slice(0, this.size).flatMap((tile) => (tile.camera ? [tile.camera] : []));
  }

  /** Put another arrangement on the wall. */
  load(arrangement: Arrangement, page = 0): void {
    this.arrangement = arrangement.copy();
    this.alone = false;
    this.selected = Math.min(this.selected, this.size - 1);
    this.turn(page);
  }

  turn(page: number): void {
    this.page = Math.max(0, Math.min(page, this.pages - 1));
    this.draw();
    this.events.shown();
  }

  /** Change the number of tiles; no camera is lost, and the chosen tile stays in sight. */
  setLayout(layout: number): void {
    const place = this.place(this.selected);
    this.arrangement.layout = layout;
    this.alone = false;
    this.page = Math.min(Math.floor(place / this.size), this.pages - 1);
    this.selected = Math.min(place - this.page * this.size, this.size - 1);
    this.draw();
    this.events.arranged();
    this.events.shown();
  }

  /** Put a camera on the chosen tile, and choose the next empty one. */
  pick(camera: Camera): void {
    this.put(this.selected, camera.id);
    this.desk.note(say("shown", { tile: this.selected + 1, number: camera.number, camera: camera.name }));
    const next = this.tiles.slice(0, this.size).findIndex((tile) => !tile.camera);
    if (next >= 0 && !this.alone) {
      this.select(next, false);
    }
  }

  /** Put all cameras of a unit on the wall. */
  pickUnit(unit: Unit): void {
    const cameras = this.listing.below(unit.id).slice(0, MOST_PLACES);
    this.arrangement.cameras = cameras.map((camera) => camera.id);
    this.selected = 0;
    this.alone = false;
    this.page = 0;
    this.draw();
    this.desk.note(say("unit_shown", { unit: unit.name, n: cameras.length }));
    this.events.arranged();
    this.events.shown();
  }

  /** Show a camera wherever it is on the wall; else on the chosen tile. */
  callUp(cameraId: string): void {
    const camera = this.listing.camera(cameraId);
    if (!camera) {
      return;
    }
    const place = this.arrangement.cameras.indexOf(cameraId);
    if (place >= 0) {
      this.page = Math.floor(place / this.size);
      this.draw();
      this.select(place % this.size, true);
      this.events.shown();
    } else {
      this.put(this.selected, camera.id);
      this.select(this.selected, true);
    }
    this.desk.note(say("shown", { tile: this.selected + 1, number: camera.number, camera: camera.name }));
  }

  focus(): void {
    this.select(this.selected, true);
  }

  /** Names and states may have changed; what is on the wall stays. */
  refresh(): void {
    this.draw();
  }

  private place(index: number): number {
    return this.page * this.size + index;
  }

  private put(index: number, cameraId: string): void {
    this.arrangement.put(this.place(index), cameraId);
    this.draw();
    this.events.arranged();
    this.events.shown();
  }

  private swap(one: number, other: number): void {
    this.arrangement.swap(this.place(one), this.place(other));
    this.draw();
    this.select(other, true);
    this.events.arranged();
  }

  private draw(): void {
    const size = this.size;
    while (this.tiles.length < size) {
      const tile = new WallTile(this.tiles.length);
      this.tiles.push(tile);
      this.grid.append(tile.element);
    }
    for (const tile of this.tiles.splice(size)) {
      tile.stop();
      tile.element.remove();
    }
    const columns = PHONE.matches ? 1 : Math.sqrt(size);
    this.grid.style.setProperty("--columns", String(columns));
    this.grid.dataset.size = String(size);
    this.grid.classList.toggle("alone", this.alone);
    this.rows(columns);
    for (const tile of this.tiles) {
      const id = this.arrangement.at(this.place(tile.index));
      const camera = this.listing.camera(id) ?? null;
      tile.show(camera ? id : "", camera);
    }
    this.select(Math.min(this.selected, size - 1), false);
    this.fit();
  }

  /** Rows for screen readers own the tiles without holding them: a video that is moved in the document stops. */
  private rows(columns: number): void {
    const rows = [...this.grid.querySelectorAll<HTMLElement>("[role=row]")];
    const wanted = Math.ceil(this.size / columns);
    while (rows.length < wanted) {
      const row = document.createElement("div");
      row.setAttribute("role", "row");
      rows.push(row);
      this.grid.append(row);
    }
    for (const [index, row] of rows.entries()) {
      if (index >= wanted) {
        row.remove();
        continue;
      }
      const own = this.tiles.slice(index * columns, (index + 1) * columns).map((tile) => tile.element.id);
      row.setAttribute("aria-owns", own.join(" "));
    }
  }

  private select(index: number, focus: boolean): void {
    this.selected = index;
    for (const tile of this.tiles) {
      tile.select(tile.index === index);
    }
    if (focus) {
      this.tiles[index]?.element.focus({ preventScroll: !PHONE.matches });
    }
    this.desk.refresh();
  }

  private toggleAlone(): void {
    this.alone = !this.alone;
    this.grid.classList.toggle("alone", this.alone);
    this.fit();
    this.focus();
  }

  private choose(index: number): void {
    this.chooser.open(String(index + 1), (camera) => {
      this.put(index, camera.id);
      this.select(index, true);
    });
  }

  private beginSwap(index: number): void {
    this.swapping = index;
    this.grid.classList.add("swapping");
    this.tiles[index]?.element.classList.add("swap-from");
    this.desk.note(say("swap_choose"), true);
    this.select(index, true);
  }

  private endSwap(target: number | null): void {
    const from = this.swapping;
    this.swapping = null;
    this.grid.classList.remove("swapping");
    this.grid.querySelector(".swap-from")?.classList.remove("swap-from");
    this.desk.clear();
    if (from !== null && target !== null && target !== from) {
      this.swap(from, target);
    }
  }

  private describe(digits: string): string {
    const camera = this.listing.numbered(Number(digits));
    const values = { tile: this.selected + 1, number: digits, camera: camera?.name ?? "" };
    return say(camera ? "typed_camera" : "typed", values);
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target !== this.tiles[this.selected]?.element) {
      return;
    }
    if (this.desk.key(event.key) || this.act(event.key) || this.move(event.key)) {
      event.preventDefault();
      this.events.touched();
    } else if (this.events.key(event)) {
      event.preventDefault();
    }
  }

  private act(key: string): boolean {
    const tile = this.tiles[this.selected];
    const acts: Record<string, () => void> = {
      Enter: () => this.enter(),
      Escape: () => this.escape(),
      Delete: () => this.put(this.selected, ""),
      f: () => this.toggleAlone(),
      m: () => tile && this.menu.open(tile),
      ContextMenu: () => tile && this.menu.open(tile),
      s: () => this.beginSwap(this.selected),
    };
    const act = acts[key.length === 1 ? key.toLowerCase() : key];
    act?.();
    return Boolean(act);
  }

  private move(key: string): boolean {
    const columns = PHONE.matches ? 1 : Math.sqrt(this.size);
    const by: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
    const step = by[key];
    if (step !== undefined) {
      const to = this.selected + step;
      if (to >= 0 && to < this.size) {
        this.select(to, true);
      }
      return true;
    }
    if (key === "PageUp" || key === "PageDown") {
      this.turn(this.page + (key === "PageUp" ? -1 : 1));
      this.focus();
      return true;
    }
    if (key === "Home" || key === "End") {
      this.select(key === "Home" ? 0 : this.size - 1, true);
      return true;
    }
    return false;
  }

  private enter(): void {
    if (this.swapping !== null) {
      this.endSwap(this.selected);
      return;
    }
    if (!this.desk.typed) {
      this.choose(this.selected);
      return;
    }
    const number = this.desk.take();
    const camera = this.listing.numbered(number);
    if (!camera) {
      this.desk.note(say("no_camera", { number }));
      return;
    }
    this.put(this.selected, camera.id);
    this.desk.note(say("shown", { tile: this.selected + 1, number, camera: camera.name }));
  }

  private escape(): void {
    if (this.swapping !== null) {
      this.endSwap(null);
    } else if (this.desk.typed) {
      this.desk.clear();
    } else if (this.alone) {
      this.toggleAlone();
    }
  }

  private touch(event: PointerEvent): void {
    const index = tileOf(event.target);
    this.events.touched();
    if (index === null) {
      return;
    }
    if (this.swapping !== null) {
      event.preventDefault();
      this.endSwap(index);
      return;
    }
    this.select(index, true);
  }

  private click(event: MouseEvent): void {
    const index = tileOf(event.target);
    const tile = index === null ? undefined : this.tiles[index];
    if (tile && (event.target as Element).closest(".tile-menu-button")) {
      this.menu.open(tile);
    } else if (tile && event.detail === 2) {
      this.toggleAlone();
    }
  }

  private contextMenu(event: MouseEvent): void {
    const index = tileOf(event.target);
    const tile = index === null ? undefined : this.tiles[index];
    if (tile?.camera) {
      event.preventDefault();
      this.menu.open(tile);
    }
  }

  private dragStart(event: DragEvent): void {
    const index = tileOf(event.target);
    if (index !== null && event.dataTransfer) {
      event.dataTransfer.setData(TILE_TYPE, String(this.place(index)));
      event.dataTransfer.effectAllowed = "move";
    }
  }

  private dragOver(event: DragEvent): void {
    const types = event.dataTransfer?.types ?? [];
    const index = tileOf(event.target);
    if (index !== null && (types.includes(CAMERA_TYPE) || types.includes(TILE_TYPE))) {
      event.preventDefault();
      this.markTarget(index);
    }
  }

  private drop(event: DragEvent): void {
    const index = tileOf(event.target);
    this.markTarget(null);
    if (index === null || !event.dataTransfer) {
      return;
    }
    event.preventDefault();
    const camera = event.dataTransfer.getData(CAMERA_TYPE);
    const from = event.dataTransfer.getData(TILE_TYPE);
    if (camera) {
      this.put(index, camera);
      this.select(index, true);
    } else if (from) {
      this.arrangement.swap(Number(from), this.place(index));
      this.draw();
      this.select(index, true);
      this.events.arranged();
    }
  }

  private markTarget(index: number | null): void {
    for (const tile of this.tiles) {
      tile.element.classList.toggle("target", tile.index === index);
    }
  }

  private fit(): void {
    for (const tile of this.tiles) {
      tile.fit();
    }
  }
}

/** The address of playback of cameras, 30 s ago. */
export function playbackAddress(cameras: Camera[]): string {
  const numbers = cameras.slice(0, MOST_IN_STEP).map((camera) => camera.number);
  const local = new Intl.DateTimeFormat("sv-SE", { timeZone: centreZone(), dateStyle: "short", timeStyle: "medium" });
  return `/playback?cameras=${numbers.join(",")}&at=${local.format(serverNow() - BACK_MS).replace(" ", "T")}`;
}

function tileOf(target: EventTarget | null): number | null {
  const tile = target instanceof Element ? target.closest<HTMLElement>("[data-tile]") : null;
  return tile ? Number(tile.dataset.tile) : null;
}

function must<T extends Element = HTMLElement>(root: Element, selector: string): T {
  const found = root.querySelector<T>(selector);
  if (!found) {
    throw new Error(`the page has no ${selector}`);
  }
  return found;
}
