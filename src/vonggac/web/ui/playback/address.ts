// What stands in the page's address: `?cameras=3,7&at=2026-11-24T14:03:05&speed=1`, in the centre's local time.
// What cannot be read is told, and everything else is used all the same.

import { isSpeed } from "./speeds";
import { exists, type Local, type Zone } from "./zone";

export const MOST_CAMERAS = 9;

export interface Asked {
  /** Numbers or ids, as they were written. */
  cameras: string[];
  atMs: number | null;
  speed: number;
  paused: boolean;
  /** The chosen interval. */
  selection: [number, number] | null;
}

export interface Problem {
  kind: "camera" | "many-cameras" | "time" | "speed" | "selection";
  value: string;
}

const CAMERA = /^(\d{1,9}|[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i;
const TIME = /^(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,3}))?)?(Z|[+-]\d{2}:?\d{2})?$/;

export function readAddress(search: string, zone: Zone): { asked: Asked; problems: Problem[] } {
  const query = new URLSearchParams(search);
  const problems: Problem[] = [];
  const cameras: string[] = [];
  for (const text of (query.get("cameras") ?? query.get("camera") ?? "").split(/[,; ]+/).filter(Boolean)) {
    const name = text.replaceAll("-", "").toLowerCase();
    if (!CAMERA.test(text)) {
      problems.push({ kind: "camera", value: text });
    } else if (!cameras.includes(name)) {
      cameras.push(name);
    }
  }
  if (cameras.length > MOST_CAMERAS) {
    problems.push({ kind: "many-cameras", value: cameras.splice(MOST_CAMERAS).join(", ") });
  }
  const atMs = read(query.get("at"), (text) => readTime(text, zone), "time", problems);
  const speed = read(query.get("speed"), readSpeed, "speed", problems) ?? 1;
  const from = query.get("from");
  const selection = from === null ? null : read(`${from} ${query.get("to")}`, (text) => readSpan(text, zone), "selection", problems);
  return { asked: { cameras, atMs, speed, paused: query.get("paused") === "1", selection }, problems };
}

function read<T>(text: string | null, reader: (text: string) => T | null, kind: Problem["kind"], problems: Problem[]): T | null {
  if (text === null || text === "") {
    return null;
  }
  const value = reader(text.trim());
  if (value === null) {
    problems.push({ kind, value: text });
  }
  return value;
}

function readSpeed(text: string): number | null {
  const value = Number(text.replace(/^[x×]/, "").replace("−", "-"));
  return isSpeed(value) ? value : null;
}

function readSpan(text: string, zone: Zone): [number, number] | null {
  const [from, to] = text.split(" ").map((part) => readTime(part, zone));
  return typeof from === "number" && typeof to === "number" && from < to ? [from, to] : null;
}

/** Read a moment: local time of the centre, or with its distance from UTC. */
export function readTime(text: string, zone: Zone): number | null {
  // A plus sign that was not escaped arrives as a blank.
  const found = TIME.exec(text.replace(/ (\d{2}:?\d{2})$/, (end, hours: string) => (text.length > 18 ? `+${hours}` : end)));
  if (!found) {
    return null;
  }
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = found.slice(1, 7).map((part) => Number(part ?? 0));
  const local: Local = { year, month, day, hour, minute, second };
  if (!exists(local)) {
    return null;
  }
  const ms = Number((found[7] ?? "").padEnd(3, "0"));
  const beside = found[8];
  if (beside === undefined) {
    return zone.moment(local) + ms;
  }
  const utc = Date.UTC(year, month - 1, day, hour, minute, second) + ms;
  const sign = beside.startsWith("-") ? 1 : -1;
  const digits = beside.replace(/\D/g, "");
  return beside === "Z" ? utc : utc + sign * (Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2))) * 60_000;
}

/** Write a moment; its distance from UTC only where clocks show it twice. */
export function writeTime(ms: number, zone: Zone): string {
  const local = zone.local(ms);
  const part = (value: number, digits = 2): string => String(value).padStart(digits, "0");
  const date = `${part(local.year, 4)}-${part(local.month)}-${part(local.day)}`;
  const whole = Math.floor(ms);
  const fraction = ((whole % 1000) + 1000) % 1000;
  const time = `${part(local.hour)}:${part(local.minute)}:${part(local.second)}${fraction ? `.${part(fraction, 3)}` : ""}`;
  let beside = "";
  if (zone.moments(local).length > 1) {
    const minutes = Math.round(zone.offset(ms) / 60_000);
    const size = Math.abs(minutes);
    beside = `${minutes < 0 ? "-" : "+"}${part(Math.floor(size / 60))}:${part(size % 60)}`;
  }
  return `${date}T${time}${beside}`;
}

/** Write the query of the page's address. Colons and commas stay readable (RFC 3986 §3.4 allows them). */
export function writeAddress(asked: Asked, zone: Zone): string {
  const parts: [string, string][] = [];
  if (asked.cameras.length) {
    parts.push(["cameras", asked.cameras.join(",")]);
  }
  if (asked.atMs !== null) {
    parts.push(["at", writeTime(asked.atMs, zone)]);
  }
  parts.push(["speed", String(asked.speed)]);
  if (asked.paused) {
    parts.push(["paused", "1"]);
  }
  if (asked.selection) {
    parts.push(["from", writeTime(asked.selection[0], zone)], ["to", writeTime(asked.selection[1], zone)]);
  }
  return `?${parts.map(([name, value]) => `${name}=${value.replaceAll("+", "%2B")}`).join("&")}`;
}
