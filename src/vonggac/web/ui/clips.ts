// The page of copied clips: how far each is, and deleting one. The list itself is written by the server.

import { setText } from "./patch";

interface Clip {
  id: string;
  state: string;
  done: number;
  words: string;
}

const EVERY_MS = 1_000;
const TIMEOUT_MS = 10_000;

const list = document.querySelector<HTMLElement>("[data-clip-list]");
const problem = document.querySelector<HTMLElement>("[data-clip-problem]");
let asking = false;

function shown(): Map<string, HTMLElement> {
  const articles = list?.querySelectorAll<HTMLElement>("[data-clip]") ?? [];
  return new Map([...articles].map((article) => [article.dataset.clip ?? "", article]));
}

function unfinished(): boolean {
  return list?.querySelector('[data-state="waiting"], [data-state="working"]') != null;
}

async function look(): Promise<void> {
  if (asking || document.hidden || !unfinished()) {
    return;
  }
  asking = true;
  try {
    const answer = await fetch("/api/clips", { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (answer.status === 401) {
      location.reload(); // to the log-in, and back here
    } else if (answer.ok && !update(((await answer.json()) as { clips: Clip[] }).clips)) {
      await writeAnew();
    }
  } catch {
    // No answer: the next look asks again.
  } finally {
    asking = false;
  }
}

/** Write how far the clips are; false where the page must be written anew. */
function update(clips: Clip[]): boolean {
  const articles = shown();
  for (const clip of clips) {
    const article = articles.get(clip.id);
    if (!article || (clip.state !== article.dataset.state && !isUnfinished(clip.state))) {
      return false;
    }
    article.dataset.state = clip.state;
    const words = article.querySelector("[data-words]");
    if (words) {
      setText(words, clip.words);
    }
    const progress = article.querySelector<HTMLProgressElement>("[data-progress]");
    if (progress) {
      progress.value = clip.done;
    }
  }
  return clips.length === articles.size;
}

function isUnfinished(state: string): boolean {
  return state === "waiting" || state === "working";
}

/** Fetch the page as the server writes it now. Text is not parsed under our policy (trusted types), an answer is. */
function fetchPage(): Promise<Document> {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("GET", location.href);
    request.responseType = "document";
    request.timeout = TIMEOUT_MS;
    request.setRequestHeader("accept", "text/html");
    request.onload = () => (request.responseXML ? done(request.responseXML) : failed(new Error("no page")));
    request.onerror = request.ontimeout = () => failed(new Error("no answer"));
    request.send();
  });
}

async function writeAnew(): Promise<void> {
  const fresh = (await fetchPage()).querySelector("[data-clip-list]");
  if (!fresh || !list) {
    return;
  }
  const focused = document.activeElement?.closest<HTMLElement>("[data-clip]")?.dataset.clip;
  list.replaceChildren(...fresh.childNodes);
  if (focused) {
    (shown().get(focused)?.querySelector<HTMLElement>("a.primary, button") ?? document.querySelector("main"))?.focus();
  }
}

async function remove(article: HTMLElement): Promise<void> {
  try {
    const answer = await fetch(`/api/clips/${article.dataset.clip}`, {
      method: "DELETE",
      headers: { "x-csrf-token": document.body.dataset.csrf ?? "" },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    // One that is gone already is what was wanted.
    if (problem) {
      problem.hidden = answer.ok || answer.status === 404;
      problem.textContent = problem.dataset.clipProblem ?? "";
    }
    await writeAnew();
  } catch {
    if (problem) {
      problem.hidden = false;
      problem.textContent = problem.dataset.clipProblem ?? "";
    }
  }
}

list?.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-delete]") : null;
  const article = button?.closest<HTMLElement>("[data-clip]");
  if (article) {
    void remove(article);
  }
});
setInterval(() => void look(), EVERY_MS);
