// Choosing a camera for a tile: a dialog with a search; arrows walk what is found, Enter takes it.

import { fold } from "../fold";
import type { Camera, Listing } from "./listing";

const MOST = 60;

export class Chooser {
  private readonly input: HTMLInputElement;
  private readonly list: HTMLElement;
  private readonly none: HTMLElement;
  private found: Camera[] = [];
  private at = 0;
  private chosen: (camera: Camera) => void = () => undefined;

  constructor(
    private readonly dialog: HTMLDialogElement,
    private readonly listing: Listing,
  ) {
    this.input = dialog.querySelector("input") as HTMLInputElement;
    this.list = dialog.querySelector("[role=listbox]") as HTMLElement;
    this.none = dialog.querySelector("[data-none]") as HTMLElement;
    this.input.addEventListener("input", () => this.find());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.list.addEventListener("click", (event) => {
      const index = (event.target as Element).closest<HTMLElement>("[role=option]")?.dataset.index;
      if (index !== undefined) {
        this.take(Number(index));
      }
    });
  }

  open(heading: string, chosen: (camera: Camera) => void): void {
    this.chosen = chosen;
    const title = this.dialog.querySelector("h2 [data-for]");
    if (title) {
      title.textContent = heading;
    }
    this.input.value = "";
    this.find();
    this.dialog.showModal();
    this.input.focus();
  }

  private find(): void {
    this.found = this.listing.found(fold(this.input.value)).slice(0, MOST);
    const units = new Map(this.listing.units.map((unit) => [unit.id, unit.name]));
    this.list.replaceChildren(
      ...this.found.map((camera, index) => {
        const option = document.createElement("div");
        option.setAttribute("role", "option");
        option.id = `choice-${index}`;
        option.dataset.index = String(index);
        option.dataset.state = camera.state;
        const number = document.createElement("b");
        number.textContent = String(camera.number);
        const name = document.createElement("span");
        name.textContent = camera.name;
        const unit = document.createElement("span");
        unit.className = "hint";
        unit.textContent = units.get(camera.unit) ?? "";
        option.append(number, name, unit);
        return option;
      }),
    );
    this.none.hidden = this.found.length > 0;
    this.mark(0);
  }

  private mark(index: number): void {
    this.at = index;
    for (const option of this.list.children) {
      option.setAttribute("aria-selected", String((option as HTMLElement).dataset.index === String(index)));
    }
    const current = this.list.children[index];
    this.input.setAttribute("aria-activedescendant", current?.id ?? "");
    current?.scrollIntoView({ block: "nearest" });
  }

  private key(event: KeyboardEvent): void {
    const last = this.found.length - 1;
    const to: Record<string, number> = { ArrowDown: Math.min(this.at + 1, last), ArrowUp: Math.max(this.at - 1, 0) };
    const target = to[event.key];
    if (target !== undefined) {
      event.preventDefault();
      this.mark(target);
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.take(this.at);
    }
  }

  private take(index: number): void {
    const camera = this.found[index];
    if (camera) {
      this.dialog.close();
      this.chosen(camera);
    }
  }
}
