// A bookmark with a note at the present moment, or over the chosen interval.

import { serverNow } from "../clock";
import { setText } from "../patch";
import { type Bookmark, type CameraEntry, Refused, send } from "./api";
import { words } from "./words";

export class BookmarkDialog {
  private readonly form: HTMLFormElement;
  private readonly problem: HTMLElement;
  private camera: CameraEntry | null = null;
  private atMs = 0;
  private selection: [number, number] | null = null;

  constructor(
    private readonly dialog: HTMLDialogElement,
    private readonly made: (camera: CameraEntry, bookmark: Bookmark) => void,
  ) {
    this.form = dialog.querySelector("form") as HTMLFormElement;
    this.problem = dialog.querySelector("[role=alert]") as HTMLElement;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.make();
    });
    this.whole.addEventListener("change", () => this.sayWhen());
  }

  open(camera: CameraEntry, atMs: number, selection: [number, number] | null): void {
    this.camera = camera;
    this.atMs = Math.floor(atMs);
    this.selection = selection;
    this.whole.checked = false;
    (this.whole.closest("label") as HTMLElement).hidden = !selection;
    this.note.value = "";
    this.say("");
    this.sayWhen();
    this.dialog.showModal();
    this.note.focus();
  }

  private get note(): HTMLInputElement {
    return this.form.elements.namedItem("note") as HTMLInputElement;
  }

  private get whole(): HTMLInputElement {
    return this.form.elements.namedItem("whole") as HTMLInputElement;
  }

  private get interval(): [number, number | null] {
    return this.whole.checked && this.selection
      ? [Math.floor(this.selection[0]), Math.ceil(this.selection[1])]
      : [this.atMs, null];
  }

  private sayWhen(): void {
    const [from, to] = this.interval;
    const when = to === null ? words.exact(from) : words.interval(from, to, serverNow());
    setText(this.dialog.querySelector("[data-bookmark-when]") as HTMLElement, `${this.camera?.number} ${this.camera?.name}: ${when}`);
  }

  private say(problem: string): void {
    setText(this.problem, problem);
    this.problem.hidden = !problem;
  }

  private async make(): Promise<void> {
    const note = this.note.value.trim();
    if (!this.camera || !note) {
      this.say(words.say("note-missing"));
      this.note.focus();
      return;
    }
    const [at_ms, to_ms] = this.interval;
    try {
      const { id } = await send<{ id: string | number }>("/api/bookmarks", { camera: this.camera.id, at_ms, to_ms, note });
      this.made(this.camera, { id, at_ms, to_ms, note });
      this.dialog.close();
    } catch (error) {
      this.say(error instanceof Refused ? error.words : words.say("failed"));
    }
  }
}
