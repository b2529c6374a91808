// Local time of the centre: between moments (milliseconds since 1970) and what clocks on its walls show.
// The rules come from the browser's own table of time zones (ECMA-402), so also zones with summer time are right.

export interface Local {
  year: number;
  /** 1 to 12. */
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
}

const DAY_MS = 86_400_000;

export class Zone {
  private readonly format: Intl.DateTimeFormat;

  constructor(readonly name: string) {
    this.format = new Intl.DateTimeFormat("en-US", {
      timeZone: name,
      era: "short",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
      hourCycle: "h23",
    });
  }

  /** What clocks show at a moment. */
  local(ms: number): Local {
    const found: Record<string, number> = {};
    for (const part of this.format.formatToParts(ms)) {
      found[part.type] = Number(part.value);
    }
    const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = found;
    return { year, month, day, hour, minute, second };
  }

  /** How far clocks are ahead of UTC at a moment, in milliseconds. */
  offset(ms: number): number {
    return asUtc(this.local(ms)) - Math.floor(ms / 1000) * 1000;
  }

  /** The moments at which clocks show this: none in the hour that is left out in spring, two in that of autumn. */
  moments(local: Local): number[] {
    const shown = asUtc(local);
    const offsets = new Set([this.offset(shown - DAY_MS), this.offset(shown + DAY_MS)]);
    return [...offsets]
      .map((offset) => shown - offset)
      .filter((ms) => asUtc(this.local(ms)) === shown)
      .sort((one, other) => one - other);
  }

  /** The first moment at which clocks show this; in an hour that is left out, as far on as it would have been. */
  moment(local: Local): number {
    const shown = asUtc(local);
    return this.moments(local)[0] ?? shown - this.offset(shown - DAY_MS);
  }

  /** When the day of a moment begins, or one so many days later. */
  midnight(ms: number, daysLater = 0): number {
    const { year, month, day } = this.local(ms);
    return this.moment({ year, month, day: day + daysLater, hour: 0, minute: 0, second: 0 });
  }
}

/** What a clock shows, read as if it stood at Greenwich; days and months may run over. */
export function asUtc(local: Local): number {
  const date = new Date(0);
  date.setUTCFullYear(local.year, local.month - 1, local.day);
  date.setUTCHours(local.hour, local.minute, local.second);
  return date.getTime();
}

/** Whether such a date and time exist in a calendar (whatever the zone leaves out). */
export function exists(local: Local): boolean {
  const date = new Date(asUtc(local));
  return (
    date.getUTCFullYear() === local.year &&
    date.getUTCMonth() + 1 === local.month &&
    date.getUTCDate() === local.day &&
    date.getUTCHours() === local.hour &&
    date.getUTCMinutes() === local.minute &&
    date.getUTCSeconds() === local.second
  );
}
