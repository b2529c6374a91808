// The list of cameras: found as one types, states kept current, what was chosen kept in the page's address.

import { setServerTime } from "../clock";
import { fold } from "../fold";
import { setText } from "../patch";
import { Stills } from "../stills";
import type { EventStream } from "../stream";

interface Row {
  id: string;
  state: string;
  words: string;
}

const TIMEOUT_MS = 10_000;
const AT_MOST_EVERY_MS = 5_000;

export function startRegister(root: HTMLElement, stream: EventStream): () => void {
  const form = root.querySelector<HTMLFormElement>("[data-filters]");
  const rows = [...root.querySelectorAll<HTMLElement>(".entry")];
  new Stills(root, () => stream.end());
  form?.addEventListener("input", () => filter());
  form?.addEventListener("submit", (event) => event.preventDefault());
  const search = form?.querySelector<HTMLInputElement>("[name=q]");
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !(event.target instanceof HTMLElement && event.target.matches("input, select, textarea"))) {
      event.preventDefault();
      search?.focus();
    }
  });
  let last = 0;
  let waiting = 0;
  return () => {
    if (!document.hidden && !waiting) {
      waiting = window.setTimeout(() => void fetchStates(), Math.max(0, last + AT_MOST_EVERY_MS - performance.now()));
    }
  };

  function filter(): void {
    if (!form) {
      return;
    }
    const chosen = new FormData(form);
    const text = (name: string): string => String(chosen.get(name) ?? "");
    const words = fold(text("q")).split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const { state, unit, kind, record, found } = row.dataset;
      const fits =
        (!text("state") || state === text("state")) &&
        (!text("unit") || unit === text("unit")) &&
        (!text("kind") || kind === text("kind")) &&
        (!text("record") || (record ?? "").split(" ").includes(text("record"))) &&
        words.every((word) => (found ?? "").includes(word));
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    const count = root.querySelector<HTMLElement>("[data-count]");
    if (count) {
      const numbers = new Intl.NumberFormat(document.documentElement.lang);
      const said = (count.dataset.text ?? "")
        .replace("{shown}", numbers.format(shown))
        .replace("{all}", numbers.format(rows.length));
      setText(count, said);
    }
    const empty = root.querySelector<HTMLElement>("[data-empty]");
    if (empty) {
      empty.hidden = shown > 0;
    }
    const query = new URLSearchParams();
    for (const [name, value] of chosen) {
      if (value) {
        query.set(name, String(value));
      }
    }
    history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
  }

  async function fetchStates(): Promise<void> {
    waiting = 0;
    last = performance.now();
    try {
      const answer = await fetch("/api/cameras/states", { signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (answer.status === 401) {
        stream.end();
      }
      if (!answer.ok) {
        return;
      }
      const { now_ms, rows: states } = (await answer.json()) as { now_ms: number; rows: Row[] };
      setServerTime(now_ms);
      const known = new Map(states.map((row) => [row.id, row]));
      for (const row of rows) {
        const state = known.get(row.dataset.id ?? "");
        const words = row.querySelector("[data-words]");
        if (state && words) {
          if (row.dataset.state !== state.state) {
            // Why and since when belonged to the other state.
            row.querySelectorAll(".c-state > .why, .c-state > .since").forEach((old) => old.remove());
            row.dataset.state = state.state;
          }
          setText(words, state.words);
        }
      }
    } catch {
      // No answer: the stream's banner says so.
    }
  }
}
