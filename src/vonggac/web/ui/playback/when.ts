// A moment as people type it: `14:03`, `14h03 hôm qua`, `2 giờ chiều 24/11`, `yesterday 14:03:05`, `-10 phút`, `now`.

import { fold } from "../fold";
import { exists, type Local, type Zone } from "./zone";

export type Typed = { ms: number } | { problem: "unreadable" | "no-such-day" | "future" };

const UNIT_MS: [RegExp, number][] = [
  [/^(s|sec|secs|second|seconds|giay)$/, 1_000],
  [/^(m|min|mins|minute|minutes|p|phut)$/, 60_000],
  [/^(h|hour|hours|g|gio|tieng)$/, 3_600_000],
  [/^(d|day|days|ngay)$/, 86_400_000],
];
const DAYS: [RegExp, number][] = [
  [/\b(hom nay|today)\b/, 0],
  [/\b(hom qua|yesterday)\b/, -1],
  [/\b(hom kia|day before yesterday)\b/, -2],
];
const LATER_THAN_NOW_MS = 1_000;

interface Time {
  hour: number;
  minute: number;
  second: number;
  ms: number;
  /** Days after the one that is named: midnight, as people say it, ends a day. */
  daysLater: number;
}

/** Read a moment. A time without a day is on the day that is shown (`shownMs`), or on the last day it has been. */
export function readWhen(text: string, nowMs: number, shownMs: number, zone: Zone): Typed {
  let rest = fold(text).replaceAll("−", "-").replace(/[,;]+/g, " ").replace(/\s+/g, " ").trim();
  if (/^(now|live|bay gio)$/.test(rest)) {
    return { ms: nowMs };
  }
  const relative = readRelative(rest, nowMs, shownMs);
  if (relative !== null) {
    return relative > nowMs + LATER_THAN_NOW_MS ? { problem: "future" } : { ms: relative };
  }
  let days: number | null = null;
  // "day before yesterday" holds "yesterday".
  for (const [pattern, shift] of [...DAYS].reverse()) {
    if (days === null && pattern.test(rest)) {
      days = shift;
      rest = rest.replace(pattern, " ");
    }
  }
  const date = readDate(rest);
  if (date) {
    rest = date.rest;
  }
  const time = readTime(rest);
  rest = time ? time.rest : rest;
  if (rest.replace(/\b(luc|vao|at|on|ngay)\b/g, "").trim() || (!time && !date && days === null) || (date && days !== null)) {
    return { problem: "unreadable" };
  }
  return place(time?.time ?? { hour: 0, minute: 0, second: 0, ms: 0, daysLater: 0 }, date?.date ?? null, days, nowMs, shownMs, zone);
}

function readRelative(text: string, nowMs: number, shownMs: number): number | null {
  const shift = /^([+-]) ?(\d{1,6}) ?([a-z]+)$/.exec(text);
  if (shift) {
    const unit = unitMs(shift[3] ?? "");
    return unit ? shownMs + (shift[1] === "-" ? -1 : 1) * Number(shift[2]) * unit : null;
  }
  const ago = /^(\d{1,6}) ?([a-z]+) (truoc|ago)$/.exec(text);
  const unit = ago ? unitMs(ago[2] ?? "") : 0;
  return ago && unit ? nowMs - Number(ago[1]) * unit : null;
}

function unitMs(name: string): number {
  return UNIT_MS.find(([pattern]) => pattern.test(name))?.[1] ?? 0;
}

interface WrittenDate {
  year: number | null;
  month: number;
  day: number;
}

function readDate(text: string): { date: WrittenDate; rest: string } | null {
  const iso = /(?:^| )(\d{4})-(\d{1,2})-(\d{1,2})(?=$|[ t])/.exec(text);
  if (iso) {
    const date = { year: Number(iso[1]), month: Number(iso[2]), day: Number(iso[3]) };
    return { date, rest: text.replace(iso[0], " ").replace(/^ ?t/, " ") };
  }
  const usual = /(?:^| )(\d{1,2})([/.-])(\d{1,2})(?:\2(\d{4}|\d{2}))?(?=$| )/.exec(text);
  if (!usual) {
    return null;
  }
  const written = usual[4] ? Number(usual[4]) : null;
  const year = written !== null && written < 100 ? 2000 + written : written;
  return { date: { year, month: Number(usual[3]), day: Number(usual[1]) }, rest: text.replace(usual[0], " ") };
}

function readTime(text: string): { time: Time; rest: string } | null {
  const found =
    /(?:^| )(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,3}))?)?(?=$| |am|pm)/.exec(text) ??
    /(?:^| )(\d{1,2}) ?(?:h|g|gio) ?(?:(\d{1,2}) ?(?:p|phut|m)?(?: ?(\d{1,2}) ?(?:s|giay))?)?(?=$| )/.exec(text) ??
    /(?:^| )(\d{1,2})()(?= ?(?:am|pm)(?:$| ))/.exec(text);
  if (!found) {
    return null;
  }
  let hour = Number(found[1]);
  let daysLater = 0;
  let rest = text.replace(found[0], " ");
  const half = /\b(am|pm|sang|trua|chieu|toi|dem)\b/.exec(rest);
  if (half) {
    rest = rest.replace(half[0], " ");
    if (hour === 12 && /toi|dem/.test(half[0])) {
      hour = 0;
      daysLater = 1;
    } else if (/pm|trua|chieu|toi|dem/.test(half[0]) && hour >= (half[0] === "trua" ? 1 : half[0] === "dem" ? 6 : 0)) {
      hour += hour < 12 && !(half[0] === "trua" && hour > 3) ? 12 : 0;
    } else if (half[0] === "am" && hour === 12) {
      hour = 0;
    }
  }
  const ms = Number((found[4] ?? "").padEnd(3, "0"));
  return { time: { hour, minute: Number(found[2] || 0), second: Number(found[3] || 0), ms, daysLater }, rest };
}

function place(
  time: Time,
  date: WrittenDate | null,
  days: number | null,
  nowMs: number,
  shownMs: number,
  zone: Zone,
): Typed {
  const today = zone.local(nowMs);
  const shown = zone.local(shownMs);
  const base: Local = date
    ? { ...date, year: date.year ?? today.year, hour: 0, minute: 0, second: 0 }
    : days !== null
      ? zone.local(zone.midnight(nowMs, days))
      : shown;
  const at = { ...base, hour: time.hour, minute: time.minute, second: time.second };
  if (!exists(at)) {
    return { problem: "no-such-day" };
  }
  const day = at.day + time.daysLater;
  let ms = zone.moment({ ...at, day }) + time.ms;
  if (ms > nowMs + LATER_THAN_NOW_MS && date?.year === null) {
    ms = zone.moment({ ...at, day, year: at.year - 1 }) + time.ms;
  } else if (ms > nowMs + LATER_THAN_NOW_MS && !date && days === null) {
    ms = zone.moment({ ...at, day: day - 1 }) + time.ms;
  }
  return ms > nowMs + LATER_THAN_NOW_MS ? { problem: "future" } : { ms };
}
