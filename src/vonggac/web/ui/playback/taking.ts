// What one takes along from the page: the shown picture as a file, the link to this moment.

import { writeTime } from "./address";
import { ask, type CameraEntry, Refused } from "./api";
import { words } from "./words";
import type { Zone } from "./zone";

const KEPT_MS = 60_000;

/** Save the picture that was shown at a moment, with its strip; returns what to say of it. */
export async function saveStill(camera: CameraEntry, shownMs: number, zone: Zone): Promise<string> {
  const ms = Math.floor(shownMs);
  try {
    const answer = await ask(`/playback/${camera.id}/still.jpg?at=${ms}&strip=1`);
    const taken = Number(answer.headers.get("x-picture-ms")) || ms;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = `${camera.number}-${writeTime(Math.floor(taken / 1000) * 1000, zone).replaceAll(":", "-")}.jpg`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MS);
    return words.say("still-saved", { file: link.download });
  } catch (error) {
    return error instanceof Refused ? error.words : words.say("failed");
  }
}

/** Copy the page's address; false where the browser lends no clipboard (it does to https only): then the field has it. */
export async function copyAddress(field: HTMLInputElement): Promise<boolean> {
  field.value = location.href;
  try {
    await navigator.clipboard.writeText(field.value);
    return true;
  } catch {
    return false;
  }
}
