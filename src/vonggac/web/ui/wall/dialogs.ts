// The dialogs of views: saving one, deleting one, and making a tour of several.

import type { Arrangement } from "./arrangement";
import type { Kept, View, Views } from "./views";
import { say } from "./words";

export interface SaveTarget {
  arrangement(): Arrangement;
  current(): View | undefined;
  kept(id: string, name: string): void;
  deleted(name: string): void;
  failed(): void;
  tour(stops: string[], dwellS: number): void;
}

export class ViewDialogs {
  private readonly save: HTMLDialogElement;
  private readonly tour: HTMLDialogElement;

  constructor(
    root: HTMLElement,
    private readonly views: Views,
    private readonly target: SaveTarget,
  ) {
    this.save = root.querySelector("#wall-save") as HTMLDialogElement;
    this.tour = root.querySelector("#wall-tour") as HTMLDialogElement;
    within(this.save, "[data-again]").addEventListener("click", () => void this.keep(true));
    within(this.save, "[data-new]").addEventListener("click", () => void this.keep(false));
    within(this.save, "[data-delete]").addEventListener("click", () => void this.remove());
    within(this.tour, "[data-run]").addEventListener("click", () => this.run());
    within(this.tour, "[data-keep]").addEventListener("click", () => void this.keepTour());
    for (const dialog of [this.save, this.tour]) {
      // Enter in a field does what the first button does, and never closes the dialog unasked.
      dialog.querySelector("form")?.addEventListener("submit", (event) => {
        if (!(event.submitter instanceof HTMLButtonElement) || event.submitter.value !== "cancel") {
          event.preventDefault();
        }
      });
    }
  }

  /** Open the dialogs with these buttons. */
  listen(save: HTMLElement, tour: HTMLElement): void {
    save.addEventListener("click", () => this.openSave());
    tour.addEventListener("click", () => this.openTour());
  }

  private openSave(): void {
    const current = this.target.current();
    const own = Boolean(current?.may_change);
    within<HTMLInputElement>(this.save, "[name=name]").value = current?.name ?? "";
    this.fillUnits(within(this.save, "[name=unit]"), current?.unit ?? null);
    within(this.save, "[data-again]").hidden = !own;
    within(this.save, "[data-delete]").hidden = !own;
    within(this.save, "[data-new]").classList.toggle("primary", !own);
    problem(this.save, "");
    this.save.showModal();
    within<HTMLInputElement>(this.save, "[name=name]").select();
  }

  private openTour(): void {
    const list = within(this.tour, "[data-stops]");
    const choices = this.views.all.filter((view) => view.stops.length === 0);
    const current = this.target.current();
    list.replaceChildren(
      ...choices.map((view) => {
        const label = document.createElement("label");
        const box = document.createElement("input");
        box.type = "checkbox";
        box.value = view.id;
        box.checked = Boolean(current?.stops.includes(view.id));
        label.append(box, ` ${view.name}${view.unit ? ` · ${view.unit_name}` : ""}`);
        return label;
      }),
    );
    within(this.tour, "[data-few]").hidden = choices.length > 1;
    within<HTMLInputElement>(this.tour, "[name=name]").value = current?.stops.length ? current.name : "";
    problem(this.tour, "");
    this.tour.showModal();
  }

  private fillUnits(select: HTMLSelectElement, current: string | null): void {
    select.replaceChildren(new Option(say("only_me"), "", false, current === null));
    for (const unit of this.views.units) {
      select.append(new Option(unit.name, unit.id, false, unit.id === current));
    }
  }

  private async keep(again: boolean): Promise<void> {
    const name = within<HTMLInputElement>(this.save, "[name=name]");
    if (!name.reportValidity()) {
      return;
    }
    const current = this.target.current();
    const { layout, cameras } = this.target.arrangement();
    const sent = {
      name: name.value,
      unit: within<HTMLSelectElement>(this.save, "[name=unit]").value || null,
      layout,
      cameras: cameras.map((id) => id || null),
      stops: again ? (current?.stops ?? []) : [],
      dwell_s: again ? (current?.dwell_s ?? 0) : 0,
    };
    await this.done(this.save, await this.views.keep(sent, again && current ? current.id : null), name.value);
  }

  private async keepTour(): Promise<void> {
    const stops = this.stops();
    const name = within<HTMLInputElement>(this.tour, "[name=name]");
    const current = this.target.current();
    if (stops.length < 2) {
      problem(this.tour, say("tour_choose"));
      return;
    }
    name.required = true;
    const valid = name.reportValidity();
    name.required = false;
    if (!valid) {
      return;
    }
    const first = this.views.view(stops[0] ?? null);
    const again = current?.may_change && current.stops.length > 0 && current.name === name.value.trim();
    const sent = {
      name: name.value,
      unit: again ? current.unit : null,
      layout: first?.layout ?? 9,
      cameras: (first?.cameras ?? []).map((id) => id || null),
      stops,
      dwell_s: this.dwell(),
    };
    await this.done(this.tour, await this.views.keep(sent, again ? current.id : null), name.value);
  }

  private run(): void {
    const stops = this.stops();
    if (stops.length < 2) {
      problem(this.tour, say("tour_choose"));
      return;
    }
    this.tour.close();
    this.target.tour(stops, this.dwell());
  }

  private async remove(): Promise<void> {
    const current = this.target.current();
    const sure = current?.unit ? "view_delete_shared_sure" : "view_delete_sure";
    if (!current || !confirm(say(sure, { view: current.name }))) {
      return;
    }
    this.save.close();
    if (await this.views.remove(current.id)) {
      await this.views.fetch();
      this.target.deleted(current.name);
    } else {
      this.target.failed();
    }
  }

  /** Close a dialog whose view was kept; else what was typed stays, and why. */
  private async done(dialog: HTMLDialogElement, kept: Kept, name: string): Promise<void> {
    if (!("id" in kept)) {
      problem(dialog, kept.problem);
      return;
    }
    dialog.close();
    if (await this.views.fetch()) {
      this.target.kept(kept.id, name);
    } else {
      this.target.failed();
    }
  }

  private stops(): string[] {
    return [...this.tour.querySelectorAll<HTMLInputElement>("[data-stops] input:checked")].map((box) => box.value);
  }

  private dwell(): number {
    return Number(within<HTMLSelectElement>(this.tour, "[name=dwell]").value);
  }
}

function problem(dialog: HTMLDialogElement, words: string): void {
  within(dialog, "[data-problem]").textContent = words;
}

function within<T extends Element = HTMLElement>(root: Element, selector: string): T {
  const found = root.querySelector<T>(selector);
  if (!found) {
    throw new Error(`the dialog has no ${selector}`);
  }
  return found;
}
