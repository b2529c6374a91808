// Reads the playlists of the centre's own server (RFC 8216): which bytes hold which moments.

export interface Source {
  uri: string;
  /** First byte and the byte behind the last; null: all of it. */
  range: [number, number] | null;
}

export interface Segment extends Source {
  fromMs: number;
  toMs: number;
  /** The initialisation segment (§4.3.2.5) that its pictures need. */
  init: Source;
}

/** Read a media playlist; `address` is where it comes from. Lines that are not understood are passed over (§6.3.1). */
export function readPlaylist(text: string, address: string): Segment[] {
  const segments: Segment[] = [];
  let init: Source | null = null;
  let at: number | null = null;
  let lasts = 0;
  let range: string | null = null;
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith("#EXT-X-MAP:")) {
      init = readMap(line, address);
    } else if (line.startsWith("#EXT-X-PROGRAM-DATE-TIME:")) {
      at = readMoment(line.slice(line.indexOf(":") + 1));
    } else if (line.startsWith("#EXTINF:")) {
      lasts = Number.parseFloat(line.slice(8)) * 1000;
    } else if (line.startsWith("#EXT-X-BYTERANGE:")) {
      range = line.slice(17);
    } else if (line && !line.startsWith("#")) {
      const uri = new URL(line, address).href;
      if (init && at !== null && lasts > 0) {
        const before = segments.at(-1);
        const bytes: [number, number] | null = range ? readRange(range, before?.uri === uri ? before.range : null) : null;
        segments.push({ uri, range: bytes, fromMs: at, toMs: at + lasts, init });
        at += lasts;
      }
      range = null;
    }
  }
  return segments;
}

function readMap(line: string, address: string): Source | null {
  const uri = /[:,]URI="([^"]+)"/.exec(line)?.[1];
  const range = /[:,]BYTERANGE="([^"]+)"/.exec(line)?.[1];
  return uri ? { uri: new URL(uri, address).href, range: range ? readRange(range, null) : null } : null;
}

/** `n@o`, or `n` for what follows the range before it (§4.3.2.2). */
function readRange(text: string, before: [number, number] | null): [number, number] {
  const [size = 0, offset] = text.split("@").map(Number);
  const start = offset ?? before?.[1] ?? 0;
  return [start, start + size];
}

/** A date as RFC 3339 writes it, to the microsecond; the browser's own reading stops at milliseconds. */
function readMoment(text: string): number | null {
  const ms = Date.parse(text.trim());
  const beyond = /\.\d{3}(\d{1,6})/.exec(text)?.[1];
  return Number.isNaN(ms) ? null : ms + (beyond ? Number(`0.${beyond}`) : 0);
}

/** Whether two sources are the same bytes. */
export function same(one: Source, other: Source): boolean {
  return one.uri === other.uri && one.range?.[0] === other.range?.[0] && one.range?.[1] === other.range?.[1];
}

/** What names a segment, in whichever playlist it stands: each asks with its own query for the same pictures. */
export function key(segment: Segment): string {
  return `${segment.uri.replace(/\?.*$/, "")} ${segment.range?.[0] ?? ""}`;
}
