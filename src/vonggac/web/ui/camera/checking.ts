// The check of an address: each step as it happens, then what was found and the first picture.

import { setText } from "../patch";

interface Check {
  id: string;
  running: boolean;
  usable: boolean;
  verdict: string;
  steps: { name: string; label: string; words: string }[];
  failure: { reason: string; words: string; advice: string; detail: string } | null;
  found: { label: string; value: string }[];
  concerns: string[];
  fingerprint: string;
  picture: string;
}

interface Problems {
  problems: Record<string, string>;
}

const POLL_MS = 400;
const RETRY_MS = 2_000;
const TIMEOUT_MS = 10_000;

export function startCheck(root: HTMLElement): void {
  const find = <T extends Element>(selector: string): T => {
    const found = root.querySelector<T>(selector);
    if (!found) {
      throw new Error(`the page lacks ${selector}`);
    }
    return found;
  };
  const start = find<HTMLButtonElement>("[data-check-start]");
  const stop = find<HTMLButtonElement>("[data-check-stop]");
  const section = find<HTMLElement>("[data-checking]");
  const doing = find<HTMLElement>("[data-doing]");
  const hidden = find<HTMLInputElement>("[data-check-id]");
  const value = (name: string): string => find<HTMLInputElement | HTMLSelectElement>(`[name=${name}]`).value;
  let generation = 0;

  start.addEventListener("click", () => void begin());
  stop.addEventListener("click", () => void end());
  for (const name of ["url", "user", "password"]) {
    // Enter in these fields asks for the check, not for a camera that nobody has seen yet.
    find<HTMLInputElement>(`[name=${name}]`).addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        void begin();
      }
    });
  }
  find("[data-pin] button").addEventListener("click", () => {
    find<HTMLInputElement>("[name=tls_fingerprint]").value = section.dataset.fingerprint ?? "";
    void begin();
  });
  if (root.dataset.check) {
    // The form came back with something to be mended: what was found still stands.
    section.hidden = false;
    void follow(root.dataset.check, ++generation);
  }

  async function begin(): Promise<void> {
    const mine = ++generation;
    clear();
    running(true);
    try {
      const answer = await send("POST", "/api/cameras/checks", {
        url: value("url"),
        user: value("user"),
        password: value("password"),
        transport: value("transport"),
        tls_fingerprint: value("tls_fingerprint"),
      });
      const said = (await answer.json()) as Check | Problems;
      if ("problems" in said) {
        running(false);
        showProblems(said.problems);
        return;
      }
      section.hidden = false;
      hidden.value = said.id;
      section.scrollIntoView({ block: "nearest" });
      await follow(said.id, mine);
    } catch {
      running(false);
      section.hidden = false;
      setText(doing, doing.dataset.lost ?? "");
    }
  }

  async function end(): Promise<void> {
    generation++;
    running(false);
    setText(doing, "");
    if (hidden.value) {
      await send("DELETE", `/api/cameras/checks/${hidden.value}`).catch(() => undefined);
      hidden.value = "";
    }
  }

  async function follow(id: string, mine: number): Promise<void> {
    running(true);
    while (mine === generation) {
      let pause = POLL_MS;
      try {
        const answer = await send("GET", `/api/cameras/checks/${id}`);
        if (mine !== generation) {
          return;
        }
        if (answer.status === 404) {
          running(false);
          setText(doing, doing.dataset.gone ?? "");
          return;
        }
        if (!answer.ok) {
          throw new Error(String(answer.status));
        }
        const check = (await answer.json()) as Check;
        show(check);
        if (!check.running) {
          running(false);
          return;
        }
      } catch {
        setText(doing, doing.dataset.lost ?? "");
        pause = RETRY_MS;
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  function show(check: Check): void {
    const steps = find("[data-steps]");
    for (const step of check.steps.slice(steps.children.length)) {
      const item = document.createElement("li");
      const label = document.createElement("b");
      label.textContent = step.label;
      item.append(label, ` ${step.words}`);
      steps.append(item);
    }
    setText(doing, check.running ? (doing.dataset.wait ?? "") : "");
    if (check.running) {
      return;
    }
    const verdict = find<HTMLElement>("[data-verdict]");
    verdict.hidden = false;
    verdict.dataset.level = check.failure ? "bad" : check.concerns.length > 0 ? "warn" : "good";
    setText(find("[data-verdict] > b"), check.failure ? `${check.verdict} ${check.failure.words}.` : check.verdict);
    setText(find("[data-advice]"), check.failure?.advice ?? "");
    setText(find("[data-detail]"), check.failure?.detail ?? "");
    find("[data-concerns]").replaceChildren(
      ...check.concerns.map((concern) => {
        const item = document.createElement("li");
        item.textContent = concern;
        return item;
      }),
    );
    section.dataset.fingerprint = check.fingerprint;
    find<HTMLElement>("[data-pin]").hidden = !(check.failure?.reason === "untrusted" && check.fingerprint);
    find("[data-found]").replaceChildren(
      ...check.found.map((line) => {
        const group = document.createElement("div");
        const label = document.createElement("dt");
        const text = document.createElement("dd");
        label.textContent = line.label;
        text.textContent = line.value;
        group.append(label, text);
        return group;
      }),
    );
    const picture = find<HTMLElement>("[data-picture]");
    picture.hidden = !check.picture;
    if (check.picture) {
      find<HTMLImageElement>("[data-picture] img").src = check.picture;
    }
    if (check.usable && !value("name")) {
      find<HTMLInputElement>("[name=name]").focus({ preventScroll: true });
    }
  }

  function clear(): void {
    root.querySelectorAll("[data-check-problem]").forEach((old) => old.remove());
    for (const field of root.querySelectorAll("[aria-invalid]")) {
      field.removeAttribute("aria-invalid");
    }
    find("[data-steps]").replaceChildren();
    find("[data-found]").replaceChildren();
    find<HTMLElement>("[data-verdict]").hidden = true;
    find<HTMLElement>("[data-picture]").hidden = true;
    setText(doing, "");
  }

  function showProblems(problems: Record<string, string>): void {
    let first: HTMLElement | null = null;
    for (const [name, words] of Object.entries(problems)) {
      const field = name ? root.querySelector<HTMLElement>(`[name=${name}]`) : start;
      const note = document.createElement("span");
      note.className = "field-problem";
      note.dataset.checkProblem = "";
      note.setAttribute("role", "alert");
      note.textContent = words;
      field?.closest(".field, .submit")?.append(note);
      const details = field?.closest("details");
      if (details) {
        details.open = true;
      }
      if (field && name) {
        field.setAttribute("aria-invalid", "true");
        first ??= field;
      }
    }
    first?.focus();
  }

  function running(is: boolean): void {
    start.disabled = is;
    stop.hidden = !is;
    section.classList.toggle("running", is);
  }
}

async function send(method: string, path: string, body?: object): Promise<Response> {
  return await fetch(path, {
    method,
    headers: { "content-type": "application/json", "x-csrf-token": document.body.dataset.csrf ?? "" },
    body: body ? JSON.stringify(body) : null,
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
}
