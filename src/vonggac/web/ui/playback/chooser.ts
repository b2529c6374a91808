// The list of cameras to choose from: by unit, searched as one types, with or without accents.

import { fold } from "../fold";
import { setText } from "../patch";
import type { CameraEntry, UnitEntry } from "./api";
import { MOST_CAMERAS } from "./address";
import { words } from "./words";

interface Entry {
  camera: CameraEntry;
  button: HTMLButtonElement;
  found: string;
}

export class Chooser {
  private readonly entries: Entry[] = [];
  private readonly groups: HTMLElement[] = [];
  private readonly list: HTMLElement;
  private readonly search: HTMLInputElement;
  private readonly count: HTMLElement;
  private readonly close: HTMLElement;

  constructor(
    root: HTMLElement,
    private readonly toggled: (camera: CameraEntry) => void,
  ) {
    this.list = root.querySelector("[data-camera-list]") as HTMLElement;
    this.search = root.querySelector("[data-camera-search]") as HTMLInputElement;
    this.count = root.querySelector("[data-camera-count]") as HTMLElement;
    this.close = root.querySelector("[data-do=close-chooser]") as HTMLElement;
    this.search.addEventListener("input", () => this.filter());
    this.search.addEventListener("keydown", (event) => this.key(event));
    this.list.addEventListener("keydown", (event) => this.arrow(event));
  }

  fill(cameras: CameraEntry[], units: UnitEntry[]): void {
    this.entries.length = 0;
    this.groups.length = 0;
    const parts: HTMLElement[] = [];
    for (const unit of units) {
      const own = cameras.filter((camera) => camera.unit === unit.id);
      if (own.length) {
        parts.push(this.group(unit, own));
      }
    }
    this.list.replaceChildren(...parts);
    this.filter();
  }

  chosen(ids: string[]): void {
    for (const { camera, button } of this.entries) {
      const pressed = ids.includes(camera.id);
      button.setAttribute("aria-pressed", String(pressed));
      button.disabled = !pressed && ids.length >= MOST_CAMERAS;
    }
    setText(this.count, words.say("chosen", { n: ids.length, most: MOST_CAMERAS }));
  }

  focus(): void {
    this.search.focus();
    this.search.select();
  }

  private group(unit: UnitEntry, cameras: CameraEntry[]): HTMLElement {
    const group = document.createElement("section");
    const title = document.createElement("h3");
    title.textContent = unit.name;
    group.append(title);
    for (const camera of cameras) {
      const button = document.createElement("button");
      button.type = "button";
      const number = document.createElement("b");
      number.textContent = String(camera.number);
      const name = document.createElement("span");
      name.textContent = camera.name;
      button.append(number, " ", name);
      button.addEventListener("click", () => this.toggled(camera));
      group.append(button);
      this.entries.push({ camera, button, found: fold(`${camera.number} ${camera.name} ${unit.name}`) });
    }
    this.groups.push(group);
    return group;
  }

  private filter(): void {
    const wanted = fold(this.search.value).split(/\s+/).filter(Boolean);
    for (const { button, found } of this.entries) {
      button.hidden = !wanted.every((word) => found.includes(word));
    }
    for (const group of this.groups) {
      group.hidden = !group.querySelector("button:not([hidden])");
    }
    this.list.classList.toggle("none", this.groups.every((group) => group.hidden));
  }

  private shown(): HTMLButtonElement[] {
    return this.entries.map((entry) => entry.button).filter((button) => !button.hidden && !button.disabled);
  }

  private key(event: KeyboardEvent): void {
    const [first] = this.shown();
    if (event.key === "Enter" && this.search.value && first) {
      first.click();
      this.search.select();
      event.preventDefault();
    } else if (event.key === "ArrowDown") {
      first?.focus();
      event.preventDefault();
    } else if (event.key === "Escape" && this.search.value) {
      this.search.value = "";
      this.filter();
      event.stopPropagation();
    } else if (event.key === "Escape") {
      this.close.click();
    }
  }

  private arrow(event: KeyboardEvent): void {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    const shown = this.shown();
    const at = shown.indexOf(document.activeElement as HTMLButtonElement);
    if (step && at >= 0) {
      (shown[at + step] ?? (step < 0 ? this.search : null))?.focus();
      event.preventDefault();
      event.stopPropagation();
    }
  }
}
