// The health page: fetches what changed, in the reader's words, and writes it into the page that is there.

import { age } from "./ages";
import { CameraList, type Row } from "./cameras";
import { serverNow, setServerTime } from "./clock";
import { type Fault, showFaults } from "./faults";
import { setText } from "./patch";
import { Stills } from "./stills";
import { EventStream, showBanner } from "./stream";

interface Line {
  text: string;
  level: string;
  title: string;
}

interface Trouble {
  id: string;
  number: number;
  name: string;
  why: string;
  since: string;
}

interface Totals {
  cells: Record<string, string>;
  levels: Record<string, string>;
  titles: Record<string, string>;
  reasons: Line[];
  roles: Line[];
  volumes: Line[];
  trouble: Trouble[];
}

export interface Group {
  id: string;
  name: string;
  counts: string;
  rows: Row[];
}

interface HealthView {
  now_ms: number;
  updated_ms: number;
  totals: Totals;
  groups: Group[];
  faults: Fault[];
}

/** A recorder speaks every 5 s. */
const OLD_AFTER_MS = 20_000;
const FETCH_TIMEOUT_MS = 10_000;
/** Many pages hear of a change at once; they need not all ask at once. */
const SPREAD_MS = 300;
/** Durations on the page go on even when nothing changes. */
const REFRESH_MS = 30_000;
const MOST_TROUBLE = 8;

export function startHealth(root: HTMLElement): void {
  let updatedMs = Number(root.dataset.updated);
  let fetching = false;
  let again = false;
  let timer = 0;
  setServerTime(Number(root.dataset.now));
  const cameras = new CameraList(root);
  new Stills(root, () => stream.end());
  const stream = new EventStream({
    reload: () => soon(0),
    changed: (topic) => soon(/^(camera|unit|fault)\./.test(topic) ? 0 : Math.random() * SPREAD_MS),
  });
  setInterval(() => showAge(updatedMs), 1_000);
  setInterval(() => soon(0), REFRESH_MS);
  void refresh();

  function soon(delayMs: number): void {
    if (!document.hidden && !timer) {
      timer = window.setTimeout(() => {
        timer = 0;
        void refresh();
      }, delayMs);
    }
  }

  async function refresh(): Promise<void> {
    if (fetching) {
      again = true;
      return;
    }
    fetching = true;
    try {
      const answer = await fetch("/api/health", { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
      if (answer.status === 401) {
        stream.end();
        return;
      }
      if (answer.ok) {
        const view = (await answer.json()) as HealthView;
        setServerTime(view.now_ms);
        updatedMs = view.updated_ms;
        showTotals(root, view.totals);
        showFaults(root, view.faults);
        if (!cameras.update(view.groups)) {
          // A camera came or went: the page is made by the server.
          location.reload();
        }
      }
    } catch {
      // No answer: the stream's banner says so, and the next event or its return fetches again.
    } finally {
      fetching = false;
      if (again) {
        again = false;
        soon(0);
      }
    }
  }
}

function showAge(updatedMs: number): void {
  const old = serverNow() - updatedMs;
  const banner = document.querySelector<HTMLElement>('[data-banner="old"]');
  if (updatedMs > 0 && banner) {
    showBanner("old", old > OLD_AFTER_MS, (banner.dataset.text ?? "").replace("{age}", age(old)));
  }
}

function showTotals(root: HTMLElement, totals: Totals): void {
  for (const element of root.querySelectorAll<HTMLElement>("[data-total]")) {
    setText(element, totals.cells[element.dataset.total ?? ""] ?? "");
  }
  for (const element of root.querySelectorAll<HTMLElement>("[data-figure]")) {
    const name = element.dataset.figure ?? "";
    element.dataset.level = totals.levels[name] ?? "";
    element.title = totals.titles[name] ?? "";
  }
  const lists: [string, Line[]][] = [["volumes", totals.volumes], ["roles", totals.roles], ["reasons", totals.reasons]];
  for (const [name, lines] of lists) {
    const list = root.querySelector(`[data-lines="${name}"]`);
    list?.replaceChildren(...lines.map(lineItem));
  }
  showTrouble(root, totals.trouble);
}

function lineItem(line: Line): HTMLElement {
  const item = document.createElement("li");
  item.textContent = line.text;
  item.dataset.level = line.level;
  item.title = line.title;
  return item;
}

function showTrouble(root: HTMLElement, trouble: Trouble[]): void {
  const section = root.querySelector<HTMLElement>("[data-trouble]");
  const list = root.querySelector<HTMLElement>("[data-trouble-list]");
  if (!section || !list) {
    return;
  }
  section.hidden = trouble.length === 0;
  const focused = list.contains(document.activeElement) ? document.activeElement?.getAttribute("href") : null;
  const items = trouble.slice(0, MOST_TROUBLE).map(troubleItem);
  if (trouble.length > MOST_TROUBLE) {
    const more = document.createElement("li");
    more.className = "more";
    more.textContent = (list.dataset.more ?? "").replace("{n}", String(trouble.length - MOST_TROUBLE));
    items.push(more);
  }
  list.replaceChildren(...items);
  if (focused) {
    list.querySelector<HTMLElement>(`[href="${focused}"]`)?.focus();
  }
}

function troubleItem(trouble: Trouble): HTMLElement {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = `#camera-${trouble.id}`;
  const number = document.createElement("b");
  number.textContent = String(trouble.number);
  link.append(number, ` ${trouble.name}`);
  item.append(link, " ", span("why", trouble.why), " ", span("since", trouble.since));
  return item;
}

function span(name: string, text: string): HTMLElement {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}
