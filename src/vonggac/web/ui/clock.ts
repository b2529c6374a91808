// The centre's time: the server's clock in the centre's zone, whatever this computer believes.

/** So long what an answer said is remembered. */
const WINDOW_MS = 60_000;
/** No answer is so late: the server's clock was set back. */
const SET_BACK_MS = 20_000;
/** This computer's clock was set, or it slept, where its two clocks have come so far apart. */
const APART_MS = 500;

interface Told {
  at: number;
  byMonotonic: number;
  byWall: number;
}

let told: Told[] = [];
let byMonotonic = Date.now() - performance.now();
let byWall = 0;

/**
 * Set from any answer of the server that says its time. Answers are late, on a thin line by seconds, and never early: of
 * those of the last minute the one that came soonest counts. So a picture is never taken for newer than it is.
 */
export function setServerTime(serverMs: number): void {
  const at = performance.now();
  const one = { at, byMonotonic: serverMs - at, byWall: serverMs - Date.now() };
  const last = told.at(-1);
  const set =
    last !== undefined &&
    (Math.abs(one.byMonotonic - one.byWall - (last.byMonotonic - last.byWall)) > APART_MS ||
      byMonotonic - one.byMonotonic > SET_BACK_MS);
  told = [...(set ? [] : told.filter((other) => at - other.at < WINDOW_MS)), one];
  byMonotonic = Math.max(...told.map((other) => other.byMonotonic));
  byWall = Math.max(...told.map((other) => other.byWall));
}

/** Milliseconds since 1970 by the server's clock. */
export function serverNow(): number {
  // The monotonic clock stands still while the computer sleeps, the other one may be set back: the later one is right,
  // or takes what is shown for older than it is until the server says its time again.
  return Math.max(performance.now() + byMonotonic, Date.now() + byWall);
}

export function startClock(): void {
  const clock = document.querySelector<HTMLTimeElement>("[data-clock]");
  if (!clock) {
    return;
  }
  setServerTime(Number(clock.dataset.now));
  const format = new Intl.DateTimeFormat(document.documentElement.lang === "vi" ? "vi-VN" : "en-GB", {
    timeZone: clock.dataset.zone,
    weekday: "short",
    day: "2-digit",
    month: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  });
  const show = (): void => {
    const now = serverNow();
    clock.textContent = format.format(now);
    clock.dateTime = new Date(now).toISOString();
    setTimeout(show, 1000 - (now % 1000));
  };
  show();
}
