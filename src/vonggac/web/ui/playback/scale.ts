// The timeline's scale: between moments and places on it, zoom and pan within limits, and where its marks stand.

import type { Zone } from "./zone";

export interface View {
  fromMs: number;
  toMs: number;
}

export const LEAST_SPAN_MS = 5_000;
export const MOST_SPAN_MS = 31 * 86_400_000;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [
  ...[1, 2, 5, 10, 15, 30].map((count) => count * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
  ...[1, 2, 3, 6, 12].map((count) => count * HOUR),
];
const DAY_STEPS = [1, 2, 5, 7, 14];

export interface Tick {
  ms: number;
  /** What is written beside it: a day begins here, or the time of day to the minute or to the second. */
  label: "day" | "minute" | "second";
}

export function span(view: View): number {
  return view.toMs - view.fromMs;
}

export function xOf(ms: number, view: View, width: number): number {
  return ((ms - view.fromMs) / span(view)) * width;
}

export function msAt(x: number, view: View, width: number): number {
  return view.fromMs + (x / width) * span(view);
}

/** Return the view with its span times `factor`, the moment `aroundMs` staying where it is. */
export function zoomed(view: View, factor: number, aroundMs: number): View {
  const wanted = Math.min(MOST_SPAN_MS, Math.max(LEAST_SPAN_MS, span(view) * factor));
  const share = (aroundMs - view.fromMs) / span(view);
  return { fromMs: aroundMs - share * wanted, toMs: aroundMs + (1 - share) * wanted };
}

export function panned(view: View, byMs: number): View {
  return { fromMs: view.fromMs + byMs, toMs: view.toMs + byMs };
}

export function centred(view: View, ms: number): View {
  return { fromMs: ms - span(view) / 2, toMs: ms + span(view) / 2 };
}

/** Return the view moved as little as needed to hold a moment, `margin` (a share of the view) away from its edges. */
export function holding(view: View, ms: number, margin: number): View {
  const edge = span(view) * margin;
  if (ms < view.fromMs + edge) {
    return panned(view, ms - edge - view.fromMs);
  }
  return ms > view.toMs - edge ? panned(view, ms + edge - view.toMs) : view;
}

/** Return where marks stand, at least `apartPx` from each other, on round local times. */
export function ticks(view: View, width: number, apartPx: number, zone: Zone): Tick[] {
  const least = (span(view) / Math.max(1, width)) * apartPx;
  const step = STEPS.find((one) => one >= least);
  return step === undefined ? days(view, least, zone) : within(view, step, zone);
}

function within(view: View, step: number, zone: Zone): Tick[] {
  const found: Tick[] = [];
  for (let ms = aligned(view.fromMs, step, zone); ms < view.toMs; ms = aligned(ms + 1, step, zone)) {
    const { hour, minute, second } = zone.local(ms);
    const midnight = hour + minute + second === 0;
    found.push({ ms, label: midnight && step >= MINUTE ? "day" : step < MINUTE ? "second" : "minute" });
  }
  return found;
}

/** The first moment at or after `ms` whose local time is a multiple of `step`. */
function aligned(ms: number, step: number, zone: Zone): number {
  const offset = zone.offset(ms);
  const found = Math.ceil((ms + offset) / step) * step - offset;
  const there = zone.offset(found);
  // Clocks were set in between: what is round after that counts.
  return there === offset ? found : Math.max(ms, Math.ceil((found + there) / step) * step - there);
}

function days(view: View, least: number, zone: Zone): Tick[] {
  const step = DAY_STEPS.find((count) => count * DAY >= least) ?? 31;
  const found: Tick[] = [];
  let ms = zone.midnight(view.fromMs, 1);
  while (ms < view.toMs) {
    const { day } = zone.local(ms);
    // Counted from the first of the month, so that marks stay where they are while the view moves.
    if ((day - 1) % step === 0 && (day === 1 || 32 - day >= step / 2)) {
      found.push({ ms, label: "day" });
    }
    ms = zone.midnight(ms, 1);
  }
  return found;
}
