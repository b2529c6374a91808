// One tile of the wall: a camera's live picture, which camera it is, and whether what is seen is the present.

import { age } from "../ages";
import { serverNow } from "../clock";
import { LiveTile, type TileState } from "../live/tile";
import type { Camera } from "./listing";
import { say } from "./words";

export type Stream = "auto" | "main" | "sub";

/** From this width on (in the screen's own pixels) the sub-stream is too coarse. */
const MAIN_FROM_PX = 800;

export class WallTile {
  readonly element = document.createElement("div");
  readonly menuButton = document.createElement("button");
  /** Chosen by hand for the camera that is shown; "auto": by the tile's size. */
  wish: Stream = "auto";
  camera: Camera | null = null;
  private cameraId = "";
  private player: LiveTile | null = null;
  private playing = false;
  private state: TileState = { kind: "connecting" };
  private readonly host = part("div", "picture");
  private readonly number = part("b", "number");
  private readonly name = part("span", "name");
  private readonly sign = part("span", "lamp");
  private readonly stateText = part("span", "state-text");
  private readonly notice = part("p", "notice");
  private readonly noticeMain = part("strong", "notice-main");
  private readonly noticeMore = part("span", "notice-more");

  constructor(readonly index: number) {
    this.element.className = "tile";
    this.element.setAttribute("role", "gridcell");
    this.element.id = `tile-${index}`;
    this.element.tabIndex = -1;
    this.element.dataset.tile = String(index);
    this.sign.setAttribute("aria-hidden", "true");
    const state = part("span", "state");
    state.append(this.sign, this.stateText);
    const caption = part("div", "caption");
    caption.append(this.number, this.name, state);
    this.notice.append(this.noticeMain, this.noticeMore);
    this.menuButton.type = "button";
    this.menuButton.className = "tile-menu-button";
    this.menuButton.tabIndex = -1;
    this.menuButton.setAttribute("aria-haspopup", "menu");
    this.menuButton.setAttribute("aria-expanded", "false");
    this.menuButton.textContent = "⋮";
    this.element.append(this.host, this.notice, caption, this.menuButton);
  }

  /** Show a camera; "" empties the tile. The same camera again only gets its newer name. */
  show(cameraId: string, camera: Camera | null): void {
    if (cameraId !== this.cameraId) {
      this.stop();
      this.cameraId = cameraId;
      this.wish = "auto";
      this.state = { kind: "connecting" };
    }
    this.camera = camera;
    this.number.textContent = camera ? String(camera.number) : "";
    this.name.textContent = camera?.name ?? "";
    this.name.title = camera?.name ?? "";
    this.element.classList.toggle("empty", !camera);
    this.element.draggable = Boolean(camera);
    this.menuButton.hidden = !camera;
    if (camera) {
      this.start();
    }
    this.paint();
  }

  /** Begin to play, where there is something to play. */
  start(): void {
    if (this.playing || !this.camera) {
      return;
    }
    this.playing = true;
    const player = new LiveTile(this.host, this.cameraId, { stream: this.stream() });
    player.onState = (state) => {
      if (this.player === player) {
        this.state = state;
        this.paint();
      }
    };
    this.player = player;
    player.start();
  }

  stop(): void {
    this.player?.stop();
    this.player = null;
    this.playing = false;
    this.host.replaceChildren();
  }

  /** The tile has another size, or another stream is wished for. */
  fit(): void {
    this.player?.setStream(this.stream());
  }

  select(selected: boolean): void {
    this.element.classList.toggle("selected", selected);
    this.element.tabIndex = selected ? 0 : -1;
    this.element.setAttribute("aria-selected", String(selected));
    this.menuButton.tabIndex = selected ? 0 : -1;
  }

  /** Ages go on. */
  tick(): void {
    if (this.camera && (this.state.kind === "away" || this.state.kind === "stale")) {
      this.paint();
    }
  }

  private stream(): Stream {
    if (this.wish !== "auto" || !this.camera?.has_sub) {
      return this.wish === "sub" || this.wish === "main" ? this.wish : "auto";
    }
    const line = (navigator as Navigator & { connection?: { saveData?: boolean; effectiveType?: string } }).connection;
    const thin = Boolean(line?.saveData) || ["slow-2g", "2g", "3g"].includes(line?.effectiveType ?? "");
    return this.element.clientWidth * devicePixelRatio >= MAIN_FROM_PX && !thin ? "main" : "sub";
  }

  private paint(): void {
    if (!this.camera) {
      this.element.dataset.state = "empty";
      this.say(say("empty"), say("empty_more"));
      this.stateText.textContent = "";
      this.label(say("tile_empty", { tile: this.index + 1 }));
      return;
    }
    const { kind, words, sinceMs } = this.state;
    this.element.dataset.state = kind;
    let more = "";
    if (kind === "away" && sinceMs) {
      more = say("since", { time: clockTime(sinceMs), age: age(serverNow() - sinceMs) });
    } else if (kind === "stale") {
      more = say("old", { age: age(this.player?.lagMs() ?? this.state.ageMs ?? 0) });
    }
    const name = say(`state_${kind}`);
    const playing = kind === "live" || kind === "keyframes";
    this.stateText.textContent = playing ? words || name : "";
    this.say(playing ? "" : words || name, more);
    const { number, name: camera } = this.camera;
    this.label(say("tile_label", { tile: this.index + 1, number, camera, state: words || name }));
    this.menuButton.setAttribute("aria-label", say("menu_of", { number, camera }));
    this.menuButton.title = say("menu");
  }

  private say(main: string, more: string): void {
    this.notice.hidden = !main;
    if (this.noticeMain.textContent !== main) {
      this.noticeMain.textContent = main;
    }
    if (this.noticeMore.textContent !== more) {
      this.noticeMore.textContent = more;
    }
  }

  private label(text: string): void {
    if (this.element.getAttribute("aria-label") !== text) {
      this.element.setAttribute("aria-label", text);
    }
  }
}

/** The zone of the centre, whatever this computer is set to. */
export function centreZone(): string {
  return document.querySelector<HTMLElement>("[data-zone]")?.dataset.zone ?? "UTC";
}

/** A moment in the centre's zone: the time of day, with the date when that is not today. */
export function clockTime(ms: number): string {
  const zone = centreZone();
  const language = document.documentElement.lang === "vi" ? "vi-VN" : "en-GB";
  const day = new Intl.DateTimeFormat(language, { timeZone: zone, day: "2-digit", month: "2-digit" });
  const time = new Intl.DateTimeFormat(language, { timeZone: zone, timeStyle: "short", hourCycle: "h23" });
  return day.format(ms) === day.format(serverNow()) ? time.format(ms) : `${time.format(ms)} ${day.format(ms)}`;
}

function part(tag: string, name: string): HTMLElement {
  const element = document.createElement(tag);
  element.className = name;
  return element;
}
