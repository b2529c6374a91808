// The list of cameras: patches its cells, searches as you type, filters, sorts, and switches between pictures and table.

import { fold } from "./fold";
import type { Group } from "./health";
import { setText } from "./patch";

export interface Row {
  id: string;
  number: number;
  state: string;
  cells: Record<string, string>;
  titles: Record<string, string>;
  order: Record<string, number>;
  levels: Record<string, string>;
}

interface Camera {
  element: HTMLTableRowElement;
  cells: Map<string, HTMLElement>;
  number: number;
  unit: string;
  found: string;
  place: number;
  order: Record<string, number>;
}

const YEAR_S = 365 * 86_400;

export class CameraList {
  private readonly table: HTMLTableElement;
  private readonly cameras = new Map<string, Camera>();
  private readonly groups = new Map<string, { body: HTMLTableSectionElement; counts: HTMLElement | null }>();
  private readonly search: HTMLInputElement;
  private readonly state: HTMLSelectElement;
  private readonly unit: HTMLSelectElement;
  private readonly sort: HTMLSelectElement;
  private readonly count: HTMLOutputElement;
  private readonly numbers = new Intl.NumberFormat(document.documentElement.lang);
  private sorted: string;
  /** All cameras in one order, where they are not sorted by unit. */
  private readonly whole = document.createElement("tbody");

  constructor(private readonly root: HTMLElement) {
    this.table = must(root, "[data-cameras]");
    this.search = must(root, "[data-search]");
    this.state = must(root, '[data-filter="state"]');
    this.unit = must(root, '[data-filter="unit"]');
    this.sort = must(root, "[data-sort]");
    this.count = must(root, "[data-count]");
    this.sorted = this.sort.value;
    this.whole.setAttribute("role", "rowgroup");
    for (const body of this.table.tBodies) {
      this.groups.set(body.dataset.group ?? "", { body, counts: body.querySelector("[data-counts]") });
    }
    for (const element of this.table.querySelectorAll<HTMLTableRowElement>("[data-id]")) {
      this.adopt(element);
    }
    this.listen();
    this.filter();
  }

  /** Write new words into the list; false when it is no longer the same cameras. */
  update(groups: Group[]): boolean {
    const rows = groups.flatMap((group) => group.rows.map((row) => ({ row, unit: group.id })));
    if (rows.length !== this.cameras.size || rows.some(({ row, unit }) => this.cameras.get(row.id)?.unit !== unit)) {
      return false;
    }
    for (const { row } of rows) {
      this.patch(row);
    }
    for (const group of groups) {
      const counts = this.groups.get(group.id)?.counts;
      if (counts) {
        setText(counts, group.counts);
      }
    }
    if (this.sorted !== "unit" && !this.table.contains(document.activeElement)) {
      this.arrange();
    }
    this.filter();
    return true;
  }

  private adopt(element: HTMLTableRowElement): void {
    const cells = new Map<string, HTMLElement>();
    for (const cell of element.querySelectorAll<HTMLElement>("[data-cell]")) {
      cells.set(cell.dataset.cell ?? "", cell);
    }
    this.cameras.set(element.dataset.id ?? "", {
      element,
      cells,
      number: Number(element.dataset.number),
      unit: element.dataset.unit ?? "",
      found: element.dataset.found ?? "",
      place: this.cameras.size,
      order: {},
    });
  }

  private patch(row: Row): void {
    const camera = this.cameras.get(row.id);
    if (!camera) {
      return;
    }
    camera.order = row.order;
    camera.element.dataset.state = row.state;
    for (const [name, cell] of camera.cells) {
      setText(cell.querySelector("[data-text]") ?? cell, row.cells[name] ?? "");
      if (name in row.titles && cell.title !== row.titles[name]) {
        cell.title = row.titles[name] ?? "";
      }
      cell.dataset.level = row.levels[name] ?? "";
    }
  }

  private listen(): void {
    this.search.addEventListener("input", () => this.chosen());
    this.state.addEventListener("change", () => this.chosen());
    this.unit.addEventListener("change", () => this.chosen());
    this.sort.addEventListener("change", () => this.chosen());
    must<HTMLFormElement>(this.root, "[data-tools]").addEventListener("submit", (event) => event.preventDefault());
    for (const button of this.root.querySelectorAll<HTMLButtonElement>("[data-view]")) {
      button.addEventListener("click", () => this.show(button.dataset.view ?? ""));
    }
    document.addEventListener("keydown", (event) => this.key(event));
  }

  private chosen(): void {
    this.filter();
    const query = new URLSearchParams();
    const parts: [string, string, string][] = [
      ["q", this.search.value.trim(), ""],
      ["state", this.state.value, ""],
      ["unit", this.unit.value, ""],
      ["sort", this.sort.value, "unit"],
    ];
    for (const [name, value, usual] of parts) {
      if (value !== usual) {
        query.set(name, value);
      }
    }
    const text = query.toString();
    history.replaceState(null, "", text ? `?${text}` : location.pathname);
    for (const field of document.querySelectorAll<HTMLInputElement>('.switches [name="next"]')) {
      field.value = location.pathname + location.search;
    }
    // Last, since it may load the page anew, from the address as it is by then.
    if (this.sort.value !== this.sorted) {
      this.sorted = this.sort.value;
      this.arrange();
    }
  }

  private filter(): void {
    const words = fold(this.search.value).split(/\s+/).filter(Boolean);
    let shown = 0;
    const inGroup = new Set<Element | null>();
    for (const camera of this.cameras.values()) {
      const fits =
        (!this.state.value || camera.element.dataset.state === this.state.value) &&
        (!this.unit.value || camera.unit === this.unit.value) &&
        words.every((word) => camera.found.includes(word));
      camera.element.hidden = !fits;
      if (fits) {
        shown += 1;
        inGroup.add(camera.element.parentElement);
      }
    }
    for (const { body } of this.groups.values()) {
      body.hidden = !inGroup.has(body);
    }
    const text = (this.count.dataset.text ?? "")
      .replace("{shown}", this.numbers.format(shown))
      .replace("{all}", this.numbers.format(this.cameras.size));
    setText(this.count, text);
    const empty = this.root.querySelector<HTMLElement>("[data-empty]");
    if (empty) {
      empty.hidden = shown > 0 || this.cameras.size === 0;
    }
  }

  private arrange(): void {
    const cameras = [...this.cameras.values()];
    if (this.sorted === "unit") {
      if (!this.groups.has(cameras[0]?.unit ?? "")) {
        // The page came sorted otherwise and has no headings of units: the server makes them.
        location.reload();
        return;
      }
      cameras.sort((one, other) => one.place - other.place);
      for (const camera of cameras) {
        this.groups.get(camera.unit)?.body.append(camera.element);
      }
      this.whole.remove();
      this.table.classList.remove("in-one");
      return;
    }
    const name = this.sorted === "trouble" ? "state" : this.sorted;
    const value = (camera: Camera): number => (name === "number" ? camera.number : (camera.order[name] ?? 0));
    cameras.sort((one, other) => value(one) - value(other) || one.number - other.number);
    if (!this.whole.isConnected) {
      this.table.append(this.whole);
      this.table.classList.add("in-one");
    }
    if (cameras.some((camera, index) => this.whole.children[index] !== camera.element)) {
      this.whole.append(...cameras.map((camera) => camera.element));
    }
    this.filter();
  }

  private show(view: string): void {
    this.table.classList.toggle("as-cards", view === "cards");
    this.table.classList.toggle("as-table", view === "table");
    for (const button of this.root.querySelectorAll<HTMLButtonElement>("[data-view]")) {
      button.setAttribute("aria-pressed", String(button.dataset.view === view));
    }
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `vonggac_view=${view}; Path=/; Max-Age=${YEAR_S}; SameSite=Lax${secure}`;
  }

  private key(event: KeyboardEvent): void {
    const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      this.search.focus();
      this.search.select();
    } else if (event.key === "Escape" && event.target === this.search && this.search.value) {
      this.search.value = "";
      this.chosen();
    }
  }
}

function must<T extends Element = HTMLElement>(root: Element, selector: string): T {
  const found = root.querySelector<T>(selector);
  if (!found) {
    throw new Error(`the page has no ${selector}`);
  }
  return found;
}
