// Stand-in for the live tile: shows the keeper's stills, so that the wall can be built and tried without the relay.

import { serverNow, setServerTime } from "../clock";

export interface TileState {
  kind: "connecting" | "live" | "stale" | "away" | "keyframes" | "ended";
  words?: string;
  sinceMs?: number;
  ageMs?: number;
}

export interface TileOptions {
  stream?: "auto" | "main" | "sub";
  muted?: boolean;
}

const ASK_MS = 5_000;
const FRESH_MS = 30_000;

export class LiveTile {
  onState: (state: TileState) => void = () => undefined;
  readonly video: HTMLVideoElement | HTMLImageElement = new Image();
  private timer = 0;
  private takenMs = 0;

  constructor(
    private readonly host: HTMLElement,
    private readonly cameraId: string,
    _options: TileOptions = {},
  ) {
    this.video.hidden = true;
  }

  setStream(_stream: "auto" | "main" | "sub"): void {
    // Stills have one size.
  }

  start(): void {
    this.host.append(this.video);
    this.timer = window.setInterval(() => void this.ask(), ASK_MS);
    void this.ask();
  }

  stop(): void {
    clearInterval(this.timer);
    this.video.remove();
  }

  lagMs(): number {
    return this.takenMs ? serverNow() - this.takenMs : 0;
  }

  private async ask(): Promise<void> {
    const answer = await fetch("/api/stills", {
      method: "POST",
      headers: { "content-type": "application/json", "x-csrf-token": document.body.dataset.csrf ?? "" },
      body: JSON.stringify({ cameras: [this.cameraId] }),
    }).catch(() => null);
    if (!answer?.ok) {
      return;
    }
    const { now_ms, taken } = (await answer.json()) as { now_ms: number; taken: Record<string, number> };
    setServerTime(now_ms);
    const at = taken[this.cameraId] ?? 0;
    if (at && at !== this.takenMs) {
      this.takenMs = at;
      this.video.src = `/cameras/${this.cameraId}/still.jpg?t=${at}`;
      this.video.hidden = false;
    }
    this.tell();
  }

  private tell(): void {
    if (!this.takenMs) {
      this.onState({ kind: "connecting" });
    } else if (this.lagMs() > FRESH_MS) {
      this.onState({ kind: "stale", ageMs: this.lagMs() });
    } else {
      this.onState({ kind: "keyframes" });
    }
  }
}
