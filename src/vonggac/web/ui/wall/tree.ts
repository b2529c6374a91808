// The tree of units and cameras: searched as one types, opened and walked by keys, dragged from onto the wall.

import { fold } from "../fold";
import { setText } from "../patch";
import type { Camera, Listing, Unit } from "./listing";
import { say } from "./words";

export interface TreeActions {
  pick(camera: Camera): void;
  pickUnit(unit: Unit): void;
}

/** What is dragged: the camera's id. */
export const CAMERA_TYPE = "application/x-vonggac-camera";

const CLOSED_KEY = "vonggac.wall.closed";

export class CameraTree {
  private readonly closed = new Set<string>(remembered());
  private readonly items = new Map<string, HTMLElement>();
  private current = "";

  constructor(
    private readonly root: HTMLElement,
    private readonly search: HTMLInputElement,
    private readonly count: HTMLElement,
    private readonly listing: Listing,
    private readonly actions: TreeActions,
  ) {
    search.addEventListener("input", () => this.draw());
    search.addEventListener("keydown", (event) => this.searchKey(event));
    root.addEventListener("keydown", (event) => this.key(event));
    root.addEventListener("click", (event) => this.click(event));
    root.addEventListener("dragstart", (event) => this.drag(event));
  }

  /** Draw the tree as the search and the opened units want it. */
  draw(): void {
    const focused = this.root.contains(document.activeElement);
    const words = fold(this.search.value);
    const found = words ? this.listing.found(words) : this.listing.cameras;
    const byUnit = new Map<string, Camera[]>();
    for (const camera of found) {
      byUnit.set(camera.unit, [...(byUnit.get(camera.unit) ?? []), camera]);
    }
    this.items.clear();
    const children = new Map<string | null, Unit[]>();
    for (const unit of this.listing.units) {
      children.set(unit.parent, [...(children.get(unit.parent) ?? []), unit]);
    }
    const tops = uppermost(children, byUnit).map((unit) => this.unitItem(unit, 1, children, byUnit, Boolean(words)));
    this.root.replaceChildren(...tops.filter((item) => item !== null));
    const numbers = new Intl.NumberFormat(document.documentElement.lang);
    const all = this.listing.cameras.length;
    setText(this.count, say("tree_count", { shown: numbers.format(found.length), all: numbers.format(all) }));
    this.mark(this.items.has(this.current) ? this.current : (this.shownItems()[0]?.dataset.key ?? ""), focused);
  }

  /** Cameras that are on the wall carry a sign. */
  markShown(ids: ReadonlySet<string>): void {
    for (const [key, item] of this.items) {
      item.classList.toggle("on-wall", ids.has(key));
    }
  }

  /** Write newer states into the tree; draw it anew where it is no longer the same cameras. */
  update(): void {
    const drawn = [...this.items.keys()].filter((key) => this.items.get(key)?.classList.contains("tree-camera"));
    const gone = drawn.some((key) => !this.listing.camera(key));
    if (gone || (!this.search.value && drawn.length !== this.listing.cameras.length)) {
      this.draw();
      return;
    }
    for (const key of drawn) {
      const camera = this.listing.camera(key);
      const item = this.items.get(key);
      if (camera && item) {
        fill(item, camera);
      }
    }
  }

  private unitItem(
    unit: Unit,
    level: number,
    children: Map<string | null, Unit[]>,
    byUnit: Map<string, Camera[]>,
    searching: boolean,
  ): HTMLElement | null {
    const below = (children.get(unit.id) ?? [])
      .map((child) => this.unitItem(child, level + 1, children, byUnit, searching))
      .filter((item) => item !== null);
    const cameras = (byUnit.get(unit.id) ?? []).map((camera) => this.cameraItem(camera, level + 1));
    if (below.length === 0 && cameras.length === 0) {
      return null;
    }
    const open = searching || !this.closed.has(unit.id);
    const item = treeItem(unit.id, level, "tree-unit");
    item.setAttribute("aria-expanded", String(open));
    const row = document.createElement("span");
    row.className = "tree-row";
    const name = document.createElement("span");
    name.className = "tree-name";
    name.textContent = unit.name;
    name.id = `unit-${unit.id}`;
    const all = document.createElement("button");
    all.type = "button";
    all.className = "tree-all";
    all.tabIndex = -1;
    all.textContent = "▦";
    all.title = `${say("unit_to_wall", { unit: unit.name })} (Shift+Enter)`;
    all.setAttribute("aria-label", say("unit_to_wall", { unit: unit.name }));
    row.append(name, all);
    item.setAttribute("aria-labelledby", name.id);
    const group = document.createElement("div");
    group.setAttribute("role", "group");
    group.hidden = !open;
    group.append(...cameras, ...below);
    item.append(row, group);
    this.items.set(unit.id, item);
    return item;
  }

  private cameraItem(camera: Camera, level: number): HTMLElement {
    const item = treeItem(camera.id, level, "tree-camera");
    item.draggable = true;
    fill(item, camera);
    this.items.set(camera.id, item);
    return item;
  }

  private searchKey(event: KeyboardEvent): void {
    if (event.key === "Escape" && this.search.value) {
      this.search.value = "";
      this.draw();
      event.stopPropagation();
    } else if (event.key === "ArrowDown") {
      event.preventDefault();
      this.mark(this.shownItems()[0]?.dataset.key ?? "", true);
    } else if (event.key === "Enter") {
      event.preventDefault();
      const first = fold(this.search.value) ? this.listing.found(fold(this.search.value))[0] : undefined;
      if (first) {
        this.actions.pick(first);
      }
    }
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.altKey || event.metaKey) {
      return;
    }
    const item = this.items.get(this.current);
    const shown = this.shownItems();
    const at = item ? shown.indexOf(item) : -1;
    const open = item?.getAttribute("aria-expanded");
    const moves: Record<string, () => void> = {
      ArrowDown: () => this.mark(shown[Math.min(at + 1, shown.length - 1)]?.dataset.key ?? "", true),
      ArrowUp: () => (at <= 0 ? this.search.focus() : this.mark(shown[at - 1]?.dataset.key ?? "", true)),
      Home: () => this.mark(shown[0]?.dataset.key ?? "", true),
      End: () => this.mark(shown[shown.length - 1]?.dataset.key ?? "", true),
      ArrowRight: () => (open === "false" ? this.toggle(this.current) : this.mark(shown[at + 1]?.dataset.key ?? "", true)),
      ArrowLeft: () => (open === "true" ? this.toggle(this.current) : this.mark(parentKey(item) || this.current, true)),
      Enter: () => this.choose(event.shiftKey),
      " ": () => this.choose(event.shiftKey),
    };
    const move = moves[event.key];
    if (move) {
      event.preventDefault();
      event.stopPropagation();
      move();
    }
  }

  private choose(whole: boolean): void {
    const camera = this.listing.camera(this.current);
    const unit = this.listing.units.find((one) => one.id === this.current);
    if (camera) {
      this.actions.pick(camera);
    } else if (unit && whole) {
      this.actions.pickUnit(unit);
    } else if (unit) {
      this.toggle(unit.id);
    }
  }

  private click(event: MouseEvent): void {
    const target = event.target as Element;
    const item = target.closest<HTMLElement>("[role=treeitem]");
    if (!item) {
      return;
    }
    this.mark(item.dataset.key ?? "", true);
    this.choose(Boolean(target.closest(".tree-all")) || event.shiftKey);
  }

  private drag(event: DragEvent): void {
    const key = (event.target as Element).closest<HTMLElement>(".tree-camera")?.dataset.key;
    const camera = key ? this.listing.camera(key) : undefined;
    if (camera && event.dataTransfer) {
      event.dataTransfer.setData(CAMERA_TYPE, camera.id);
      event.dataTransfer.setData("text/plain", `${camera.number} ${camera.name}`);
      event.dataTransfer.effectAllowed = "copy";
    }
  }

  private toggle(key: string): void {
    const item = this.items.get(key);
    const group = item?.querySelector<HTMLElement>(":scope > [role=group]");
    if (!item || !group) {
      return;
    }
    group.hidden = !group.hidden;
    item.setAttribute("aria-expanded", String(!group.hidden));
    if (group.hidden) {
      this.closed.add(key);
    } else {
      this.closed.delete(key);
    }
    remember([...this.closed]);
  }

  private mark(key: string, focus: boolean): void {
    const before = this.items.get(this.current);
    if (before) {
      before.tabIndex = -1;
    }
    this.current = key;
    const item = this.items.get(key);
    if (item) {
      item.tabIndex = 0;
      if (focus) {
        item.focus();
      }
    }
  }

  private shownItems(): HTMLElement[] {
    return [...this.root.querySelectorAll<HTMLElement>("[role=treeitem]")].filter(
      (item) => !item.parentElement?.closest("[hidden]"),
    );
  }
}

/** Where the tree begins: units that only stand above a single other one say nothing. */
function uppermost(children: Map<string | null, Unit[]>, byUnit: Map<string, Camera[]>): Unit[] {
  let units = children.get(null) ?? [];
  for (;;) {
    const [only, other] = units;
    const below = only && !other && !byUnit.has(only.id) ? (children.get(only.id) ?? []) : [];
    if (below.length !== 1) {
      return units;
    }
    units = below;
  }
}

function treeItem(key: string, level: number, name: string): HTMLElement {
  const item = document.createElement("div");
  item.className = name;
  item.setAttribute("role", "treeitem");
  item.setAttribute("aria-level", String(level));
  item.style.setProperty("--level", String(level));
  item.tabIndex = -1;
  item.dataset.key = key;
  return item;
}

function fill(item: HTMLElement, camera: Camera): void {
  if (!item.firstChild) {
    const number = document.createElement("b");
    const name = document.createElement("span");
    const sign = document.createElement("span");
    const state = document.createElement("span");
    name.className = "tree-name";
    sign.className = "lamp";
    sign.setAttribute("aria-hidden", "true");
    state.className = "unseen";
    item.append(number, name, sign, state);
  }
  const [number, name, , state] = item.children;
  if (number && name && state) {
    setText(number, String(camera.number));
    setText(name, camera.name);
    setText(state, camera.words);
  }
  item.dataset.state = camera.state;
  item.title = `${camera.number} ${camera.name} – ${camera.words}`;
}

function parentKey(item: HTMLElement | undefined): string {
  return item?.parentElement?.closest<HTMLElement>("[role=treeitem]")?.dataset.key ?? "";
}

function remembered(): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(CLOSED_KEY) ?? "[]");
    return Array.isArray(kept) ? kept.map(String) : [];
  } catch {
    return [];
  }
}

function remember(closed: string[]): void {
  try {
    localStorage.setItem(CLOSED_KEY, JSON.stringify(closed));
  } catch {
    // A browser that keeps nothing: the tree is open again next time.
  }
}
