// One camera's present: opens the socket, plays what comes, says plainly what is not the present, comes back by itself.

import { age } from "../ages";
import { serverNow, setServerTime } from "../clock";
import { Film, type Screen, Slides } from "./film";
import { INIT, JPEG, type Message, type StreamMessage, readPicture } from "./messages";

export interface TileState {
  kind: "connecting" | "live" | "stale" | "away" | "keyframes" | "ended";
  words?: string;
  sinceMs?: number;
  ageMs?: number;
}

export type Stream = "auto" | "main" | "sub";

export interface TileOptions {
  stream?: Stream;
  /** Write on the picture what state it is in, for pages that have no other place for it. */
  says?: boolean;
}

/** An older picture is not the present. */
const STALE_MS = 2_000;
/** Key frames come when the camera makes them: they are old when the next one is overdue. */
const OVERDUE = 1.6;
const OVERDUE_MOST_MS = 10_000;
const TICK_MS = 250;
const RETRY_FIRST_MS = 500;
const RETRY_MOST_MS = 15_000;
/** What brought pictures for so long was a good try: the next pause is the first one again. */
const HEALTHY_MS = 10_000;
/** The server says something every 10 s, also when there is no picture. */
const SILENT_MS = 15_000;
/** A page that is not looked at gives its streams back after a while. */
const HIDDEN_MS = 10_000;
const NOT_LOGGED_IN = 4401;
const NOT_ALLOWED = 4403;

let playsH265: boolean | null = null;

function canH265(): boolean {
  playsH265 ??= MediaSource.isTypeSupported('video/mp4; codecs="hvc1.1.6.L120.90"');
  return playsH265;
}

export class LiveTile {
  onState: (state: TileState) => void = () => undefined;
  private stream: Stream;
  private socket: WebSocket | null = null;
  private screen: Screen | null = null;
  /** What takes its place as soon as it has a picture. */
  private next: Screen | null = null;
  private placeholder = document.createElement("video");
  private readonly line: HTMLElement | null;
  private away: { words: string; sinceMs: number } | null = null;
  private ended: TileState | null = null;
  private why = "";
  private said = "";
  private started = false;
  private heard = 0;
  private lastKeyMs = 0;
  private keysEveryMs = 0;
  private retryMs = RETRY_FIRST_MS;
  /** Since when this try has brought pictures; 0 before. */
  private goodSince = 0;
  private retryTimer = 0;
  private hiddenTimer = 0;
  private ticker = 0;

  constructor(
    private readonly host: HTMLElement,
    private readonly cameraId: string,
    options: TileOptions = {},
  ) {
    this.stream = options.stream ?? "auto";
    this.line = options.says ? document.createElement("p") : null;
    if (this.line) {
      this.line.className = "live-line";
      this.line.setAttribute("role", "status");
    }
  }

  /** What shows the picture now; another one after a change of stream. */
  get video(): HTMLVideoElement | HTMLImageElement {
    return this.screen?.element ?? this.placeholder;
  }

  start(): void {
    if (this.started) {
      return;
    }
    this.started = true;
    this.host.classList.add("live");
    this.host.append(this.placeholder, ...(this.line ? [this.line] : []));
    this.ticker = window.setInterval(() => this.tick(), TICK_MS);
    document.addEventListener("visibilitychange", this.seen);
    addEventListener("online", this.online);
    this.open();
    this.tell();
  }

  stop(): void {
    this.started = false;
    clearInterval(this.ticker);
    clearTimeout(this.hiddenTimer);
    document.removeEventListener("visibilitychange", this.seen);
    removeEventListener("online", this.online);
    this.hangUp();
    this.clear();
    this.placeholder.remove();
    this.line?.remove();
    this.said = "";
  }

  setStream(stream: Stream): void {
    if (stream !== this.stream) {
      this.stream = stream;
      if (this.socket?.readyState === WebSocket.OPEN) {
        this.socket.send(JSON.stringify({ stream }));
      } else if (this.socket) {
        this.retry();
      }
    }
  }

  /** How old the picture on the screen is; 0 without one. */
  lagMs(): number {
    const shown = this.screen?.shownMs() ?? 0;
    return shown ? Math.max(0, serverNow() - shown) : 0;
  }

  private readonly seen = (): void => {
    clearTimeout(this.hiddenTimer);
    if (document.hidden) {
      this.hiddenTimer = window.setTimeout(() => this.hangUp(), HIDDEN_MS);
    } else if (!this.socket) {
      this.open();
    }
  };

  private readonly online = (): void => {
    this.retryMs = RETRY_FIRST_MS;
    this.open();
  };

  // The socket.

  private open(): void {
    this.hangUp();
    if (!this.started || this.ended) {
      return;
    }
    const secure = location.protocol === "https:" ? "wss:" : "ws:";
    const query = `stream=${this.stream}&h265=${canH265() ? 1 : 0}`;
    const socket = new WebSocket(`${secure}//${location.host}/live/${this.cameraId}?${query}`);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.heard = performance.now();
    this.goodSince = 0;
    socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => {
      this.heard = performance.now();
      if (typeof event.data === "string") {
        this.take(JSON.parse(event.data) as Message);
      } else {
        this.show(event.data);
      }
    };
    socket.onclose = (event) => {
      if (event.code === NOT_LOGGED_IN || event.code === NOT_ALLOWED) {
        this.end();
      } else {
        this.retry();
      }
    };
  }

  private hangUp(): void {
    clearTimeout(this.retryTimer);
    const socket = this.socket;
    if (socket) {
      socket.onmessage = socket.onclose = null;
      if (socket.readyState === WebSocket.CONNECTING) {
        socket.onopen = () => socket.close(); // closed before it is open, browsers call it a failure
      } else {
        socket.close();
      }
      this.socket = null;
    }
    this.next?.close();
    this.next = null;
  }

  private retry(): void {
    if (this.goodSince && performance.now() - this.goodSince > HEALTHY_MS) {
      this.retryMs = RETRY_FIRST_MS;
    }
    this.hangUp();
    if (this.started && !this.ended && !document.hidden) {
      this.retryTimer = window.setTimeout(() => this.open(), this.retryMs * (0.5 + Math.random() / 2));
      this.retryMs = Math.min(this.retryMs * 2, RETRY_MOST_MS);
    }
  }

  private end(): void {
    this.ended = { kind: "ended" };
    this.hangUp();
    this.clear();
    this.tell();
  }

  // What it brings.

  private take(message: Message): void {
    switch (message.type) {
      case "stream":
        setServerTime(message.now_ms);
        this.begin(message);
        break;
      case "away":
        this.away = { words: message.words, sinceMs: message.since_ms };
        this.next?.close();
        this.next = null;
        this.tell();
        break;
      case "alive":
        setServerTime(message.now_ms);
        break;
      case "ended":
        this.end();
        break;
    }
  }

  private begin(message: StreamMessage): void {
    this.next?.close();
    const screen = message.mode === "keyframes" ? new Slides() : new Film(message.mime ?? "");
    this.next = screen;
    screen.onFirst = () => this.switchTo(screen, message.why ?? "");
    screen.onFail = () => {
      if (message.mime?.includes("hvc1")) {
        playsH265 = false; // it said that it could
      }
      this.retry();
    };
  }

  private switchTo(screen: Screen, why: string): void {
    if (this.next !== screen) {
      return;
    }
    const before = this.screen;
    this.video.replaceWith(screen.element);
    this.screen = screen;
    this.next = null;
    this.away = null;
    this.why = why;
    this.goodSince ||= performance.now();
    before?.close();
    screen.tick();
    this.tell();
  }

  private show(message: ArrayBuffer): void {
    const picture = readPicture(message);
    if (picture.kind === JPEG) {
      this.keysEveryMs = this.lastKeyMs ? picture.arrivedMs - this.lastKeyMs : 0;
      this.lastKeyMs = picture.arrivedMs;
    }
    // An init segment belongs to the stream that was announced last.
    const screen = this.next ?? this.screen;
    if (screen && (picture.kind !== INIT || this.next)) {
      screen.add(picture);
    }
  }

  private clear(): void {
    this.screen?.element.replaceWith(this.placeholder);
    this.screen?.close();
    this.screen = null;
    this.away = null;
    this.lastKeyMs = 0;
  }

  // What is said of it.

  private tick(): void {
    this.screen?.tick();
    this.next?.tick();
    if (this.socket && performance.now() - this.heard > SILENT_MS) {
      this.retry();
    }
    this.tell();
  }

  private tell(): void {
    const state = this.state();
    const key = `${state.kind} ${state.words ?? ""} ${state.sinceMs ?? ""} ${Math.floor((state.ageMs ?? 0) / 1000)}`;
    if (key !== this.said) {
      this.said = key;
      this.host.dataset.live = state.kind;
      if (this.line) {
        this.line.textContent = inWords(this.host, state);
      }
      this.onState(state);
    }
  }

  private state(): TileState {
    if (this.ended) {
      return this.ended;
    }
    if (this.away) {
      return { kind: "away", ...this.away };
    }
    const shown = this.screen?.shownMs() ?? 0;
    if (!this.screen || !shown) {
      return { kind: "connecting" };
    }
    const ageMs = this.lagMs();
    if (this.screen instanceof Slides) {
      const limit = Math.min(Math.max(STALE_MS, OVERDUE * this.keysEveryMs + 500), OVERDUE_MOST_MS);
      return ageMs > limit ? { kind: "stale", ageMs } : { kind: "keyframes", words: this.why };
    }
    return ageMs > STALE_MS ? { kind: "stale", ageMs } : { kind: "live" };
  }
}

/** A state in the page's words (`data-words`, made by vonggac.web.live.words). */
export function inWords(element: HTMLElement, state: TileState): string {
  const source = element.closest<HTMLElement>("[data-words]")?.dataset.words;
  const words = (source ? JSON.parse(source) : {}) as Record<string, string>;
  const text = state.kind === "live" ? "" : (state.words ?? words[`live_${state.kind}`] ?? "");
  const old = state.kind === "away" && state.sinceMs ? serverNow() - state.sinceMs : (state.ageMs ?? 0);
  const since = state.kind === "away" && state.sinceMs ? ` ${words.live_since ?? ""}` : "";
  return `${text}${since}`.replace("{age}", age(old)).trim();
}
