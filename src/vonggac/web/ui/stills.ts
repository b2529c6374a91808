// Stills: says which cameras are in view, fetches what is new, and never lets an old picture pass for a new one.

import { age } from "./ages";
import { serverNow, setServerTime } from "./clock";

/** The server forgets a wish after 25 s. */
const ASK_MS = 8_000;
/** The same as vonggac.video.stills.FRESH_FOR_US. */
const FRESH_MS = 30_000;
const TIMEOUT_MS = 10_000;
const MOST = 200;

interface Answer {
  now_ms: number;
  taken: Record<string, number>;
}

export class Stills {
  private readonly inView = new Map<string, HTMLElement>();
  private readonly taken = new Map<string, number>();
  private timer = 0;

  constructor(
    root: HTMLElement,
    private readonly loggedOut: () => void,
  ) {
    const observer = new IntersectionObserver((entries) => this.moved(entries), { rootMargin: "200px" });
    for (const row of root.querySelectorAll<HTMLElement>("[data-id]")) {
      observer.observe(row);
    }
    setInterval(() => void this.ask(), ASK_MS);
    setInterval(() => this.showAges(), 1_000);
  }

  private moved(entries: IntersectionObserverEntry[]): void {
    let more = false;
    for (const entry of entries) {
      const row = entry.target as HTMLElement;
      const id = row.dataset.id ?? "";
      if (!entry.isIntersecting) {
        this.inView.delete(id);
      } else if (!this.inView.has(id)) {
        this.inView.set(id, row);
        more = true;
      }
    }
    if (more && !this.timer) {
      this.timer = window.setTimeout(() => {
        this.timer = 0;
        void this.ask();
      }, 200);
    }
  }

  private async ask(): Promise<void> {
    if (document.hidden || this.inView.size === 0) {
      return;
    }
    try {
      const answer = await fetch("/api/stills", {
        method: "POST",
        headers: { "content-type": "application/json", "x-csrf-token": document.body.dataset.csrf ?? "" },
        body: JSON.stringify({ cameras: [...this.inView.keys()].slice(0, MOST) }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (answer.status === 401) {
        this.loggedOut();
      }
      if (!answer.ok) {
        return;
      }
      const { now_ms, taken } = (await answer.json()) as Answer;
      setServerTime(now_ms);
      for (const [id, at] of Object.entries(taken)) {
        this.show(id, at);
      }
    } catch {
      // No answer: the pictures in view grow old and say so.
    }
  }

  private show(id: string, at: number): void {
    const row = this.inView.get(id);
    const image = row?.querySelector<HTMLImageElement>("[data-still]");
    if (!row || !image || this.taken.get(id) === at) {
      return;
    }
    image.onload = () => {
      image.hidden = false;
      this.taken.set(id, at);
      this.showAge(row, at);
    };
    image.src = `/cameras/${id}/still.jpg?t=${at}`;
  }

  private showAges(): void {
    for (const [id, row] of this.inView) {
      const at = this.taken.get(id);
      if (at !== undefined) {
        this.showAge(row, at);
      }
    }
  }

  private showAge(row: HTMLElement, at: number): void {
    const old = serverNow() - at;
    const stale = old > FRESH_MS;
    const label = row.querySelector<HTMLElement>("[data-age]");
    row.classList.toggle("stale", stale);
    if (label) {
      label.hidden = !stale;
      label.textContent = stale ? age(old) : "";
    }
  }
}
