// What the page says: the server's words in the reader's language, and moments in the centre's zone.

import { age } from "../ages";
import type { Zone } from "./zone";

const DIGITS: Intl.DateTimeFormatOptions = { day: "2-digit", month: "2-digit", year: "numeric" };

class Words {
  private texts: Record<string, string> = {};
  private zoneName = "UTC";
  private readonly formats = new Map<string, Intl.DateTimeFormat>();

  start(texts: Record<string, string>, zone: Zone): void {
    this.texts = texts;
    this.zoneName = zone.name;
  }

  say(key: string, values: Record<string, string | number> = {}): string {
    return (this.texts[key] ?? key).replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
  }

  /** 14:03:05 */
  time(ms: number): string {
    return this.format({ hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(ms);
  }

  minute(ms: number): string {
    return this.format({ hour: "2-digit", minute: "2-digit" }).format(ms);
  }

  /** 24/11/2026 or 24 Nov 2026 */
  date(ms: number): string {
    return this.vietnamese
      ? this.format(DIGITS).format(ms)
      : this.format({ day: "numeric", month: "short", year: "numeric" }).format(ms);
  }

  /** 24/11 or 24 Nov */
  day(ms: number): string {
    return this.vietnamese
      ? this.format({ day: "2-digit", month: "2-digit" }).format(ms)
      : this.format({ day: "numeric", month: "short" }).format(ms);
  }

  weekday(ms: number): string {
    return this.format({ weekday: "short" }).format(ms);
  }

  /** The moment with its date, as the server writes it. */
  exact(ms: number): string {
    return this.vietnamese ? `${this.time(ms)} ${this.date(ms)}` : `${this.date(ms)}, ${this.time(ms)}`;
  }

  /** The moment as it is typed (`when.ts` reads it in either language): 14:03:05 24/11/2026 */
  typed(ms: number): string {
    return `${this.time(ms)} ${new Intl.DateTimeFormat("vi-VN", { ...DIGITS, timeZone: this.zoneName }).format(ms)}`;
  }

  /** "13:59:02 – 14:05:10 (6 minutes)"; with dates where they are not today's. */
  interval(fromMs: number, toMs: number | null, nowMs: number): string {
    const short = (ms: number): string => (this.date(ms) === this.date(nowMs) ? this.time(ms) : this.exact(ms));
    if (toMs === null) {
      return this.say("since", { from: short(fromMs), lasts: age(nowMs - fromMs) });
    }
    // A day is said once: in English before the times, in Vietnamese behind them.
    const once = this.date(fromMs) === this.date(toMs);
    const from = once && this.vietnamese ? this.time(fromMs) : short(fromMs);
    const to = once && !this.vietnamese ? this.time(toMs) : short(toMs);
    return this.say("interval", { from, to, lasts: age(toMs - fromMs) });
  }

  speed(speed: number): string {
    const size = new Intl.NumberFormat(document.documentElement.lang).format(Math.abs(speed));
    return speed < 0 ? `−${size}×` : `${size}×`;
  }

  private get vietnamese(): boolean {
    return document.documentElement.lang === "vi";
  }

  private format(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
    const key = JSON.stringify(options);
    let format = this.formats.get(key);
    if (!format) {
      const locale = this.vietnamese ? "vi-VN" : "en-GB";
      format = new Intl.DateTimeFormat(locale, { ...options, timeZone: this.zoneName, hourCycle: "h23" });
      this.formats.set(key, format);
    }
    return format;
  }
}

/** One for the page. */
export const words = new Words();
