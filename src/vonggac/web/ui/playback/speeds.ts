// How fast the clock goes, and what is shown at that speed.

export const SPEEDS = [0.25, 0.5, 1, 2, 4, 8, 16] as const;
/** From here on, and backwards at any speed, only key frames are shown. */
export const KEYS_FROM = 4;
/** More pictures a second than this tell the eye nothing, and nine cameras would have to decode them. */
export const KEYS_PER_SECOND = 6;

/** "all": every picture through the decoder's own clock; "keys": one key frame after the other. */
export type Mode = "all" | "keys";

/** A speed is a number of `SPEEDS`; negative goes back. */
export function isSpeed(value: number): boolean {
  return (SPEEDS as readonly number[]).includes(Math.abs(value));
}

export function modeOf(speed: number): Mode {
  return speed < 0 || speed >= KEYS_FROM ? "keys" : "all";
}

/** The next speed up (`steps` 1) or down (-1) in the same direction; the last one stays. */
export function stepped(speed: number, steps: number): number {
  const at = (SPEEDS as readonly number[]).indexOf(Math.abs(speed));
  const next = SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, at + steps))] ?? 1;
  return speed < 0 ? -next : next;
}

/** How far apart shown key frames are at least, in milliseconds of footage. */
export function strideMs(speed: number): number {
  return (Math.abs(speed) * 1000) / KEYS_PER_SECOND;
}
