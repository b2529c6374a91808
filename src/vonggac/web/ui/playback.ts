// The playback page: recordings of up to nine cameras under one clock.

import { setServerTime } from "./clock";
import { get, type CameraEntry, Refused, type UnitEntry } from "./playback/api";
import { PlaybackPage } from "./playback/page";
import { words } from "./playback/words";
import { Zone } from "./playback/zone";

const RETRY_MS = 5_000;

interface Cameras {
  now_ms: number;
  units: UnitEntry[];
  cameras: CameraEntry[];
}

async function start(root: HTMLElement): Promise<void> {
  const zone = new Zone(root.dataset.zone ?? "UTC");
  words.start(JSON.parse(root.dataset.words ?? "{}") as Record<string, string>, zone);
  setServerTime(Number(root.dataset.now));
  const page = new PlaybackPage(root, zone);
  for (;;) {
    try {
      const { now_ms, units, cameras } = await get<Cameras>("/api/cameras");
      setServerTime(now_ms);
      page.open(cameras, units);
      return;
    } catch (error) {
      page.say(error instanceof Refused ? error.words : words.say("failed"));
      if (error instanceof Refused && error.status === 401) {
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

const root = document.querySelector<HTMLElement>("[data-playback]");
if (root) {
  void start(root);
}
