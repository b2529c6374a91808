// The centre's time: the server's clock in the centre's zone, whatever this computer believes.

let offsetMs = 0;

/** Set from any answer of the server that says its time. */
export function setServerTime(serverMs: number): void {
  offsetMs = serverMs - Date.now();
}

/** Milliseconds since 1970 by the server's clock. */
export function serverNow(): number {
  return Date.now() + offsetMs;
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
