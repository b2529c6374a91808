// "Copy clip": an interval of one camera into a file, with its purpose; asks how far it is, and then offers the file.

import { serverNow } from "../clock";
import { setText } from "../patch";
import { type CameraEntry, type Clip, get, Refused, send } from "./api";
import { readWhen, type Typed } from "./when";
import { words } from "./words";
import type { Zone } from "./zone";

const ASK_MS = 700;
/** Around the present moment, where no interval is chosen. */
const BEFORE_MS = 30_000;
const AFTER_MS = 30_000;
const LONGEST_MS = 6 * 3_600_000;

export class ClipDialog {
  private timer = 0;
  private shownMs = 0;
  /** What was written into the fields: as long as it stands there it is that moment, to the hour that clocks show twice. */
  private readonly written = new Map<string, number>();
  private readonly form: HTMLFormElement;
  private readonly progress: HTMLElement;
  private readonly problem: HTMLElement;

  constructor(
    private readonly dialog: HTMLDialogElement,
    private readonly zone: Zone,
  ) {
    this.form = dialog.querySelector("form") as HTMLFormElement;
    this.progress = dialog.querySelector("[data-clip-progress]") as HTMLElement;
    this.problem = dialog.querySelector("[role=alert]") as HTMLElement;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.make();
    });
    dialog.addEventListener("close", () => clearTimeout(this.timer));
  }

  open(cameras: CameraEntry[], camera: CameraEntry, atMs: number, selection: [number, number] | null): void {
    this.shownMs = atMs;
    const choice = this.field<HTMLSelectElement>("camera");
    choice.replaceChildren(...cameras.map((one) => new Option(`${one.number} ${one.name}`, one.id, false, one === camera)));
    const [from, to] = selection ?? [atMs - BEFORE_MS, Math.min(serverNow(), atMs + AFTER_MS)];
    this.written.clear();
    this.fill("from", Math.floor(from / 1000) * 1000);
    this.fill("to", Math.ceil(to / 1000) * 1000);
    this.say("");
    this.form.hidden = false;
    this.progress.hidden = true;
    this.dialog.showModal();
    this.field("purpose").focus();
  }

  private field<T extends HTMLElement = HTMLInputElement>(name: string): T {
    return this.form.elements.namedItem(name) as unknown as T;
  }

  private fill(name: string, ms: number): void {
    const text = words.typed(ms);
    this.field(name).value = text;
    this.written.set(text, ms);
  }

  private read(text: string): Typed {
    const ms = this.written.get(text);
    return ms === undefined ? readWhen(text, serverNow(), this.shownMs, this.zone) : { ms };
  }

  private say(problem: string): void {
    setText(this.problem, problem);
    this.problem.hidden = !problem;
  }

  private async make(): Promise<void> {
    const [from, to] = ["from", "to"].map((name) => this.read(this.field(name).value));
    const purpose = this.field("purpose").value.trim();
    if (!from || !to || "problem" in from || "problem" in to) {
      const wrong = from && "problem" in from ? from : to;
      this.say(wrong && "problem" in wrong ? words.say(`time-${wrong.problem}`) : "");
    } else if (from.ms >= to.ms) {
      this.say(words.say("clip-order"));
    } else if (to.ms - from.ms > LONGEST_MS) {
      this.say(words.say("clip-long"));
    } else if (!purpose) {
      this.say(words.say("clip-purpose"));
      this.field("purpose").focus();
    } else {
      await this.order({ camera: this.field<HTMLSelectElement>("camera").value, from_ms: from.ms, to_ms: to.ms, purpose });
    }
  }

  private async order(wanted: object): Promise<void> {
    this.say("");
    const button = this.form.querySelector<HTMLButtonElement>("button.primary");
    try {
      button?.setAttribute("disabled", "");
      const { id } = await send<{ id: string | number }>("/api/clips", wanted);
      this.form.hidden = true;
      this.progress.hidden = false;
      this.show({ state: "waiting", done: 0, words: "", name: "", size: null }, id);
      await this.follow(id);
    } catch (error) {
      this.say(error instanceof Refused ? error.words : words.say("failed"));
    } finally {
      button?.removeAttribute("disabled");
    }
  }

  private async follow(id: string | number): Promise<void> {
    if (!this.dialog.open) {
      return;
    }
    try {
      const clip = await get<Clip>(`/api/clips/${id}`);
      this.say("");
      this.show(clip, id);
      if (clip.state === "ready" || clip.state === "failed") {
        return;
      }
    } catch (error) {
      this.say(error instanceof Refused ? error.words : words.say("failed"));
    }
    this.timer = window.setTimeout(() => void this.follow(id), ASK_MS);
  }

  private show(clip: Clip, id: string | number): void {
    const bar = this.progress.querySelector("progress") as HTMLProgressElement;
    const link = this.progress.querySelector("a") as HTMLAnchorElement;
    const gaps = this.progress.querySelector("[data-clip-gaps]") as HTMLElement;
    bar.value = clip.state === "ready" ? 1 : clip.done;
    bar.hidden = clip.state === "failed";
    const said = clip.words || words.say(`clip-${clip.state}`);
    setText(this.progress.querySelector("[data-clip-state]") as HTMLElement, said);
    link.hidden = clip.state !== "ready";
    gaps.hidden = !clip.gaps?.length;
    setText(gaps, clip.gaps?.length ? words.say("clip-gaps", { n: clip.gaps.length }) : "");
    const address = clip.href ?? `/clips/${id}/${encodeURIComponent(clip.name)}`;
    if (clip.state === "ready" && link.getAttribute("href") !== address) {
      link.href = address;
      link.download = clip.name;
      link.focus();
    }
  }
}
