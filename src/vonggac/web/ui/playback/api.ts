// What the page asks the server for. Every answer has a time limit; a session that is over is said once, for all.

import { showBanner } from "../stream";
import { words } from "./words";

const TIMEOUT_MS = 15_000;

/** The server said no, or nothing: `status` 0 is a line that is down. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly detail: string,
  ) {
    super(`${status} ${detail}`);
  }

  /** Why, for a person. */
  get words(): string {
    if (this.detail) {
      return this.detail;
    }
    const known: Record<number, string> = { 0: "line", 401: "session", 403: "forbidden", 404: "nothing" };
    return words.say(known[this.status] ?? "failed");
  }
}

export interface Gap {
  from: number;
  to: number | null;
  reason: string;
  words: string;
  detail?: string;
}

export interface Moment {
  at_ms: number;
  recorded: boolean;
  gap: Gap | null;
  next_ms: number | null;
  previous_ms: number | null;
}

export interface Mark {
  from: number;
  to: number;
  score: number;
  source: string;
}

export interface Bookmark {
  id: string | number;
  at_ms: number;
  to_ms: number | null;
  note: string;
  by?: string;
  may_delete?: boolean;
}

export interface Timeline {
  now_ms: number;
  due_from_ms: number | null;
  due_to_ms: number | null;
  recorded: [number, number][];
  /** At a long range: which part of each stretch was recorded. */
  shares?: number[];
  gaps: Gap[];
  marks: Mark[];
  bookmarks: Bookmark[];
}

export interface CameraEntry {
  id: string;
  number: number;
  name: string;
  folded: string;
  unit: string;
  words?: string;
}

export interface UnitEntry {
  id: string;
  name: string;
}

export interface Clip {
  state: "waiting" | "working" | "ready" | "failed";
  done: number;
  words: string;
  name: string;
  size: number | null;
  /** Where its file is, if not where its name leads. */
  href?: string | null;
  gaps?: unknown[];
}

/** Fetch from the server; throws Refused, or the signal's own reason. */
export async function ask(path: string, signal?: AbortSignal, options: RequestInit = {}): Promise<Response> {
  const both = new AbortController();
  const stop = (): void => both.abort();
  const limit = setTimeout(stop, TIMEOUT_MS);
  signal?.addEventListener("abort", stop, { once: true });
  if (signal?.aborted) {
    stop();
  }
  let answer: Response;
  try {
    answer = await fetch(path, { ...options, signal: both.signal });
  } catch (error) {
    if (signal?.aborted) {
      throw error;
    }
    throw new Refused(0, "");
  } finally {
    clearTimeout(limit);
  }
  if (answer.status === 401) {
    showBanner("ended", true);
  }
  if (!answer.ok) {
    throw new Refused(answer.status, await said(answer));
  }
  return answer;
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await (await ask(path, signal)).json()) as T;
}

export async function send<T>(path: string, value: unknown, method = "POST"): Promise<T> {
  const headers = { "content-type": "application/json", "x-csrf-token": document.body.dataset.csrf ?? "" };
  const answer = await ask(path, undefined, { method, headers, body: JSON.stringify(value) });
  return (answer.status === 204 ? null : await answer.json()) as T;
}

/** The words of a refusal that are meant for people, if it has any. */
async function said(answer: Response): Promise<string> {
  if (!(answer.headers.get("content-type") ?? "").startsWith("application/json")) {
    return "";
  }
  try {
    const { words: said, error } = (await answer.json()) as { words?: unknown; error?: unknown };
    // What refuses a wish (409) says why as its error; other errors are names for programs.
    const found = said ?? (answer.status === 409 ? error : "");
    return typeof found === "string" ? found : "";
  } catch {
    return "";
  }
}
