// The strip "what changed", and the prompt for a camera that nobody has looked at for long. Calm: nothing blinks,
// nothing moves under the pointer or the focus, and what is read aloud is one sentence at a time.

import { age } from "./ages";
import { serverNow, setServerTime } from "./clock";

const POLL_MS = 10_000;
const TIMEOUT_MS = 8_000;
const STALE_MS = 45_000;
/** What went on so short ago still goes on: rows grow every ten seconds. */
const GOES_ON_MS = 25_000;
const MOST = 6;
/** A screen reader is told of one thing in this time, and a pointer that rests on the strip holds it still no longer. */
const SAY_EVERY_MS = 30_000;

interface Named {
  camera: string;
  number: number;
  name: string;
}

interface Item extends Named {
  from: number;
  to: number;
  score: number;
  source: string;
}

interface Unseen extends Named {
  looked_ms: number | null;
}

interface Answer {
  now_ms: number;
  items: Item[];
  unseen: Unseen[];
  unseen_count: number;
  words: Record<string, string>;
}

/** Fill `host` with what changed; `show` is called with the camera that the officer chose. */
export function startAttention(host: HTMLElement, show: (cameraId: string) => void): void {
  new Attention(host, show);
}

class Entry {
  readonly element = document.createElement("li");
  readonly button = document.createElement("button");
  private readonly picture = document.createElement("img");
  private readonly when = document.createElement("span");
  private taken = 0;
  latest: Item;

  constructor(item: Item, words: Record<string, string>, show: (cameraId: string) => void) {
    this.latest = item;
    this.picture.alt = "";
    this.picture.hidden = true;
    const number = text("b", String(item.number));
    const name = text("span", item.name, "name");
    this.when.className = "when";
    this.button.type = "button";
    this.button.dataset.camera = item.camera;
    this.button.title = fill(words.show, item);
    const frame = text("span", "", "frame");
    frame.append(this.picture);
    const said = text("span", "", "said");
    said.append(number, name, this.when);
    this.button.append(frame, said);
    this.button.addEventListener("click", () => show(item.camera));
    this.element.append(this.button);
  }

  tell(words: Record<string, string>): void {
    const ago = serverNow() - this.latest.to;
    const now = ago < GOES_ON_MS;
    this.element.classList.toggle("now", now);
    put(this.when, now ? (words.now ?? "") : fill(words.ago, { age: age(ago) }));
  }

  still(at: number): void {
    if (at && at !== this.taken) {
      this.taken = at;
      this.picture.onload = () => (this.picture.hidden = false);
      this.picture.onerror = () => (this.picture.hidden = true);
      this.picture.src = `/cameras/${this.latest.camera}/still.jpg?t=${at}`;
    }
  }
}

class Attention {
  private readonly entries = new Map<string, Entry>();
  private readonly list = document.createElement("ul");
  private readonly empty = text("p", "", "calm");
  private readonly prompt = document.createElement("button");
  private readonly spoken = text("p", "", "unseen");
  private readonly old = text("p", "", "old");
  private words: Record<string, string> = {};
  private known = new Set<string>();
  private first = true;
  private saidAt = Number.NEGATIVE_INFINITY;
  private heldSince = 0;
  private answeredAt = performance.now();
  private built = false;

  constructor(
    private readonly host: HTMLElement,
    private readonly show: (cameraId: string) => void,
  ) {
    this.spoken.setAttribute("role", "status");
    this.spoken.setAttribute("aria-live", "polite");
    this.prompt.type = "button";
    this.prompt.className = "unseen-camera";
    this.prompt.addEventListener("click", () => this.prompt.dataset.camera && this.show(this.prompt.dataset.camera));
    this.old.hidden = true;
    setInterval(() => void this.ask(), POLL_MS);
    setInterval(() => this.tell(), 5_000);
    document.addEventListener("visibilitychange", () => void this.ask());
    void this.ask();
  }

  private build(): void {
    this.built = true;
    this.host.classList.add("attention");
    this.host.append(text("h2", this.words.changed ?? ""), this.list, this.empty, this.prompt, this.old, this.spoken);
  }

  private async ask(): Promise<void> {
    if (document.hidden) {
      return;
    }
    try {
      const answer = await fetch("/api/activity", { signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (answer.ok) {
        const told = (await answer.json()) as Answer;
        setServerTime(told.now_ms);
        this.answeredAt = performance.now();
        this.words = told.words;
        this.take(told);
        await this.stills();
      }
    } catch {
      // No answer: the strip grows old and says so.
    }
    this.tell();
  }

  private take(told: Answer): void {
    if (!this.built) {
      this.build();
    }
    const latest = new Map<string, Item>();
    for (const item of told.items) {
      const known = latest.get(item.camera);
      if (!known || item.to > known.to) {
        latest.set(item.camera, item);
      }
    }
    // Of what goes on the newest beginning comes first, then what ended last: an entry moves when something happens.
    const shown = [...latest.values()].sort((one, other) => other.from - one.from).slice(0, MOST);
    this.speak(shown);
    for (const item of shown) {
      const entry = this.entries.get(item.camera);
      if (entry) {
        entry.latest = item;
      } else {
        this.entries.set(item.camera, new Entry(item, this.words, this.show));
      }
    }
    this.arrange(shown);
    this.askToLook(told);
  }

  /** Bring the entries into order, unless somebody is about to choose one. */
  private arrange(shown: Item[]): void {
    const held = this.list.matches(":hover, :focus-within");
    this.heldSince = held ? this.heldSince || performance.now() : 0;
    if (held && performance.now() - this.heldSince < SAY_EVERY_MS) {
      return;
    }
    const focused = document.activeElement;
    const wanted = shown.map((item) => this.entries.get(item.camera) as Entry);
    for (const [camera, entry] of this.entries) {
      if (!wanted.includes(entry)) {
        this.entries.delete(camera);
      }
    }
    const elements = wanted.map((entry) => entry.element);
    if (elements.length !== this.list.children.length || elements.some((one, at) => this.list.children[at] !== one)) {
      this.list.replaceChildren(...elements);
      if (focused instanceof HTMLElement && this.list.contains(focused)) {
        focused.focus({ preventScroll: true });
      }
    }
    put(this.empty, this.words.nothing ?? "");
    this.empty.hidden = elements.length > 0;
    this.list.hidden = elements.length === 0;
  }

  private askToLook(told: Answer): void {
    const camera = told.unseen[0];
    this.prompt.hidden = !camera;
    if (!camera) {
      return;
    }
    const looked = camera.looked_ms;
    const sentence =
      looked === null
        ? fill(this.words.never, camera)
        : fill(this.words.unseen, { ...camera, age: age(told.now_ms - looked) });
    const more = told.unseen_count - 1;
    this.prompt.dataset.camera = camera.camera;
    this.prompt.title = fill(this.words.show, camera);
    put(this.prompt, more > 0 ? `${sentence} (${fill(this.words.more, { count: more })})` : sentence);
  }

  private speak(shown: Item[]): void {
    const fresh = shown.filter((item) => !this.known.has(`${item.camera}${item.from}`));
    this.known = new Set(shown.map((item) => `${item.camera}${item.from}`));
    const item = fresh[0];
    if (item && !this.first && performance.now() - this.saidAt > SAY_EVERY_MS) {
      this.saidAt = performance.now();
      put(this.spoken, fill(this.words.began, item));
    }
    this.first = false;
  }

  private async stills(): Promise<void> {
    if (this.entries.size === 0) {
      return;
    }
    const answer = await fetch("/api/stills", {
      method: "POST",
      headers: { "content-type": "application/json", "x-csrf-token": document.body.dataset.csrf ?? "" },
      body: JSON.stringify({ cameras: [...this.entries.keys()] }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (answer.ok) {
      const { taken } = (await answer.json()) as { taken: Record<string, number> };
      for (const [camera, entry] of this.entries) {
        entry.still(taken[camera] ?? 0);
      }
    }
  }

  private tell(): void {
    for (const entry of this.entries.values()) {
      entry.tell(this.words);
    }
    const silent = performance.now() - this.answeredAt;
    this.old.hidden = document.hidden || silent < STALE_MS || !this.built;
    if (!this.old.hidden) {
      put(this.old, fill(this.words.old, { age: age(silent) }));
    }
  }
}

function text(kind: string, said: string, style = ""): HTMLElement {
  const element = document.createElement(kind);
  element.textContent = said;
  element.className = style;
  return element;
}

/** Change a text only where it differs: what stays is not read aloud again. */
function put(element: HTMLElement, said: string): void {
  if (element.textContent !== said) {
    element.textContent = said;
  }
}

function fill(pattern: string | undefined, values: object): string {
  const known = { camera: "", ...values, ...("name" in values ? { camera: values.name } : {}) } as Record<string, unknown>;
  return (pattern ?? "").replace(/\{(\w+)\}/g, (_, name: string) => String(known[name] ?? ""));
}
