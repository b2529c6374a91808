// What changes on the page of a camera: its state, what it sends, the last day. Fetched in the reader's words.

import { serverNow, setServerTime } from "../clock";
import { age } from "../ages";
import { setText } from "../patch";
import { type EventStream, showBanner } from "../stream";

interface Fact {
  name: string;
  value: string;
  level: string;
}

interface Part {
  start: number;
  width: number;
  family: string;
  title: string;
}

interface Hour {
  text: string;
  at: string;
  title: string;
  level: string;
}

interface Day {
  from_ms: number;
  to_ms: number;
  parts: Part[];
  hours: Hour[];
  sentence: string;
}

interface Present {
  now_ms: number;
  updated_ms: number;
  state: string;
  words: string;
  why: string;
  since: string;
  facts: Fact[];
  day: Day;
}

const SVG = "http://www.w3.org/2000/svg";
const TIMEOUT_MS = 10_000;
/** Every recorder speaks every 5 s; this page need not ask each time. */
const AT_MOST_EVERY_MS = 3_000;
const REFRESH_MS = 30_000;
const OLD_AFTER_MS = 20_000;

export function startPresent(root: HTMLElement, stream: EventStream): () => void {
  const id = root.dataset.camera ?? "";
  let last = 0;
  let waiting = 0;
  let updatedMs = 0;
  setServerTime(Number(root.dataset.now));
  startBar(root);
  setInterval(() => soon(), REFRESH_MS);
  setInterval(() => showOld(updatedMs), 1_000);
  soon();
  return soon;

  function soon(): void {
    if (!document.hidden && !waiting) {
      waiting = window.setTimeout(() => void fetchPresent(), Math.max(0, last + AT_MOST_EVERY_MS - performance.now()));
    }
  }

  async function fetchPresent(): Promise<void> {
    waiting = 0;
    last = performance.now();
    try {
      const answer = await fetch(`/api/cameras/${id}/present`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (answer.status === 401) {
        stream.end();
      }
      if (answer.ok) {
        const present = (await answer.json()) as Present;
        setServerTime(present.now_ms);
        updatedMs = present.updated_ms;
        show(root, present);
      }
    } catch {
      // No answer: the stream's banner says so, and the next event fetches again.
    }
  }
}

function showOld(updatedMs: number): void {
  const old = serverNow() - updatedMs;
  const banner = document.querySelector<HTMLElement>('[data-banner="old"]');
  if (updatedMs > 0 && banner) {
    showBanner("old", old > OLD_AFTER_MS, (banner.dataset.text ?? "").replace("{age}", age(old)));
  }
}

function show(root: HTMLElement, present: Present): void {
  const texts: Record<string, string> = {
    words: present.words,
    why: present.why,
    since: present.since,
    sentence: present.day.sentence,
  };
  for (const element of root.querySelectorAll<HTMLElement>("[data-present]")) {
    setText(element, texts[element.dataset.present ?? ""] ?? "");
  }
  const state = root.querySelector<HTMLElement>("[data-present-state]");
  if (state) {
    state.dataset.state = present.state;
  }
  for (const fact of present.facts) {
    const line = root.querySelector<HTMLElement>(`[data-facts="present"] [data-fact="${fact.name}"]`);
    const value = line?.querySelector("dd");
    if (line && value) {
      line.dataset.level = fact.level;
      setText(value, fact.value);
    }
  }
  showDay(root, present.day);
}

function showDay(root: HTMLElement, day: Day): void {
  const bar = root.querySelector<SVGElement>("[data-day]");
  if (!bar) {
    return;
  }
  bar.dataset.from = String(day.from_ms);
  bar.dataset.to = String(day.to_ms);
  const ground = bar.querySelector(".ground");
  bar.replaceChildren(...(ground ? [ground] : []), ...day.parts.map(partOf));
  const hours = root.querySelectorAll<HTMLElement>("[data-hours] > li");
  day.hours.forEach((hour, place) => {
    const item = hours[place];
    if (!item) {
      return;
    }
    item.dataset.level = hour.level;
    const link = item.querySelector("a");
    if (link && bar.dataset.play) {
      link.href = bar.dataset.play + hour.at;
      link.title = hour.title;
      const [short, long] = link.children;
      if (short && long) {
        setText(short, hour.text);
        setText(long, hour.title);
      }
    } else if (item.firstElementChild) {
      setText(item.firstElementChild, hour.text);
    }
  });
}

function partOf(part: Part): SVGElement {
  const rect = document.createElementNS(SVG, "rect");
  rect.setAttribute("class", `f-${part.family}`);
  rect.setAttribute("x", String(part.start));
  rect.setAttribute("width", String(part.width));
  rect.setAttribute("height", "12");
  const title = document.createElementNS(SVG, "title");
  title.textContent = part.title;
  rect.append(title);
  return rect;
}

/** A click into the bar plays back from there; by keyboard the hours below it lead there. */
function startBar(root: HTMLElement): void {
  const bar = root.querySelector<SVGElement>("[data-day]");
  if (!bar?.dataset.play) {
    return;
  }
  bar.addEventListener("click", (event) => {
    const box = bar.getBoundingClientRect();
    const from = Number(bar.dataset.from);
    const at = from + ((event.clientX - box.left) / box.width) * (Number(bar.dataset.to) - from);
    location.href = `${bar.dataset.play}${localMoment(Math.min(at, serverNow()), root.dataset.zone ?? "UTC")}`;
  });
}

/** A moment in the centre's zone, as the addresses of playback hold it. */
function localMoment(ms: number, zone: string): string {
  const format = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" });
  return format.format(ms).replace(" ", "T");
}
