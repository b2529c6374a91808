// The menu of a tile: opened by its button, the right mouse button, M, or the menu key; walked by arrows.

import type { Stream, WallTile } from "./tile";
import { say } from "./words";

export interface MenuActions {
  alone(tile: WallTile): void;
  isAlone(): boolean;
  playback(tile: WallTile): string;
  change(tile: WallTile): void;
  swap(tile: WallTile): void;
  clear(tile: WallTile): void;
  focus(tile: WallTile): void;
}

const STREAMS: Stream[] = ["auto", "main", "sub"];

export class TileMenu {
  private readonly element = document.createElement("div");
  private tile: WallTile | null = null;

  constructor(
    host: HTMLElement,
    private readonly actions: MenuActions,
  ) {
    this.element.className = "tile-menu";
    this.element.setAttribute("role", "menu");
    this.element.hidden = true;
    this.element.addEventListener("keydown", (event) => this.key(event));
    this.element.addEventListener("focusout", (event) => {
      if (!this.element.contains(event.relatedTarget as Node | null)) {
        this.close(false);
      }
    });
    host.append(this.element);
  }

  open(tile: WallTile): void {
    const camera = tile.camera;
    if (!camera) {
      return;
    }
    this.close(false);
    this.tile = tile;
    this.element.setAttribute("aria-label", say("menu_of", { number: camera.number, camera: camera.name }));
    this.element.replaceChildren(
      this.item(say(this.actions.isAlone() ? "menu_back" : "menu_full"), "F", () => this.actions.alone(tile)),
      this.link(say("menu_playback"), this.actions.playback(tile)),
      this.item(say("menu_change"), "Enter", () => this.actions.change(tile)),
      this.item(say("menu_swap"), "S", () => this.actions.swap(tile)),
      line(),
      ...STREAMS.filter((stream) => stream !== "sub" || camera.has_sub).map((stream) => this.stream(tile, stream)),
      line(),
      this.link(say("menu_page"), `/cameras/${camera.id}`),
      this.item(say("menu_clear"), "Delete", () => this.actions.clear(tile)),
    );
    this.element.hidden = false;
    this.place(tile.menuButton);
    tile.menuButton.setAttribute("aria-expanded", "true");
    this.items()[0]?.focus();
  }

  private close(back: boolean): void {
    const tile = this.tile;
    this.tile = null;
    this.element.hidden = true;
    tile?.menuButton.setAttribute("aria-expanded", "false");
    if (back && tile) {
      this.actions.focus(tile);
    }
  }

  private place(button: HTMLElement): void {
    const near = button.getBoundingClientRect();
    const within = (this.element.offsetParent ?? document.body).getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.element;
    const left = Math.min(near.right - within.left, within.width - 4) - width;
    const top = Math.min(near.bottom - within.top, within.height - height - 4);
    this.element.style.setProperty("left", `${Math.max(4, left)}px`);
    this.element.style.setProperty("top", `${Math.max(4, top)}px`);
  }

  private item(text: string, key: string, act: () => void): HTMLElement {
    const item = document.createElement("button");
    item.type = "button";
    item.setAttribute("role", "menuitem");
    item.tabIndex = -1;
    const label = document.createElement("span");
    label.textContent = text;
    const hint = document.createElement("kbd");
    hint.textContent = key;
    hint.setAttribute("aria-hidden", "true");
    item.setAttribute("aria-keyshortcuts", key);
    item.append(label, hint);
    item.addEventListener("click", () => {
      this.close(true);
      act();
    });
    return item;
  }

  private link(text: string, address: string): HTMLElement {
    const item = document.createElement("a");
    item.href = address;
    item.setAttribute("role", "menuitem");
    item.tabIndex = -1;
    item.textContent = text;
    return item;
  }

  private stream(tile: WallTile, stream: Stream): HTMLElement {
    const item = document.createElement("button");
    item.type = "button";
    item.setAttribute("role", "menuitemradio");
    item.setAttribute("aria-checked", String(tile.wish === stream));
    item.tabIndex = -1;
    item.textContent = say(`menu_${stream}`);
    item.addEventListener("click", () => {
      tile.wish = stream;
      tile.fit();
      this.close(true);
    });
    return item;
  }

  private items(): HTMLElement[] {
    return [...this.element.querySelectorAll<HTMLElement>("[role^=menuitem]")];
  }

  private key(event: KeyboardEvent): void {
    const items = this.items();
    const at = items.indexOf(document.activeElement as HTMLElement);
    const to: Record<string, number> = {
      ArrowDown: (at + 1) % items.length,
      ArrowUp: (at - 1 + items.length) % items.length,
      Home: 0,
      End: items.length - 1,
    };
    const target = to[event.key];
    if (target !== undefined) {
      event.preventDefault();
      items[target]?.focus();
    } else if (event.key === "Escape" || event.key === "Tab") {
      event.preventDefault();
      this.close(true);
    }
    event.stopPropagation();
  }
}

function line(): HTMLElement {
  const separator = document.createElement("div");
  separator.setAttribute("role", "separator");
  return separator;
}
