// What playback must know of the bytes it hands on: the codec, when each picture is shown, where the sound is.
// Boxes as in ISO/IEC 14496-12; the layout of our files is in docs/design/recording-format.md.

interface Box {
  type: string;
  /** The box begins here, what it holds there, and behind it here. */
  start: number;
  body: number;
  end: number;
}

export interface Opened {
  /** For MediaSource (RFC 6381), such as avc1.4D401F; empty when it is none that browsers play. */
  codec: string;
  /** By how many ticks everything is shown later in the file than it was (the edit list's start). */
  delay: number;
}

/** Ticks a second, of every picture track we write. */
export const TIMESCALE = 90_000;

const HEX = (value: number, digits = 1): string => value.toString(16).toUpperCase().padStart(digits, "0");

function* boxes(view: DataView, start: number, end: number): Generator<Box> {
  let at = start;
  while (at + 8 <= end) {
    const size = view.getUint32(at);
    if (size < 8 || at + size > end) {
      return;
    }
    yield { type: name(view, at + 4), start: at, body: at + 8, end: at + size };
    at += size;
  }
}

function name(view: DataView, at: number): string {
  return String.fromCharCode(view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2), view.getUint8(at + 3));
}

function find(view: DataView, within: Box, ...path: string[]): Box | null {
  let box: Box | null = within;
  for (const type of path) {
    const parent: Box = box;
    box = [...boxes(view, parent.body, parent.end)].find((one) => one.type === type) ?? null;
    if (!box) {
      return null;
    }
  }
  return box;
}

/** Make a box one that players pass over (§8.1.2), which changes no size. */
function hide(view: DataView, box: Box): void {
  for (const [place, letter] of [..."free"].entries()) {
    view.setUint8(box.start + 4 + place, letter.charCodeAt(0));
  }
}

/**
 * Read an initialisation segment, and hide its sound. Sound that is missing for a while would be a hole in the pictures
 * beside it (one SourceBuffer for both), so pictures get theirs alone.
 */
export function openInit(bytes: Uint8Array): Opened {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const opened: Opened = { codec: "", delay: 0 };
  const whole: Box = { type: "", start: 0, body: 0, end: bytes.byteLength };
  const moov = find(view, whole, "moov");
  if (!moov) {
    return opened;
  }
  const hidden = new Set<number>();
  for (const trak of [...boxes(view, moov.body, moov.end)].filter((box) => box.type === "trak")) {
    const handler = find(view, trak, "mdia", "hdlr");
    if (handler && name(view, handler.body + 8) === "soun") {
      hidden.add(trackOf(view, trak));
      hide(view, trak);
      continue;
    }
    opened.codec = codec(view, bytes, trak);
    const edits = find(view, trak, "edts", "elst");
    opened.delay = edits && view.getUint32(edits.body + 4) ? editStart(view, edits) : 0;
  }
  const extends_ = find(view, moov, "mvex");
  for (const trex of extends_ ? boxes(view, extends_.body, extends_.end) : []) {
    if (trex.type === "trex" && hidden.has(view.getUint32(trex.body + 4))) {
      hide(view, trex);
    }
  }
  return opened;
}

function trackOf(view: DataView, trak: Box): number {
  const header = find(view, trak, "tkhd");
  return header ? view.getUint32(header.body + (view.getUint8(header.body) === 1 ? 20 : 12)) : 0;
}

function editStart(view: DataView, edits: Box): number {
  return view.getUint8(edits.body) === 1 ? Number(view.getBigInt64(edits.body + 16)) : view.getInt32(edits.body + 12);
}

function codec(view: DataView, bytes: Uint8Array, trak: Box): string {
  const table = find(view, trak, "mdia", "minf", "stbl", "stsd");
  const entry = table ? [...boxes(view, table.body + 8, table.end)][0] : undefined;
  if (!entry) {
    return "";
  }
  // A visual sample entry holds 78 bytes before its boxes (§12.1.3).
  for (const box of boxes(view, entry.body + 78, entry.end)) {
    const set = bytes.subarray(box.body, box.end);
    if (box.type === "avcC") {
      return `${entry.type}.${[...set.subarray(1, 4)].map((byte) => HEX(byte, 2)).join("")}`;
    }
    if (box.type === "hvcC") {
      return `${entry.type}.${hevc(set)}`;
    }
  }
  return "";
}

/** The parameters of H.265 as ISO/IEC 14496-15 Annex E writes them. */
function hevc(set: Uint8Array): string {
  const at = (place: number): number => set[place] ?? 0;
  const space = ["", "A", "B", "C"][at(1) >> 6] ?? "";
  let flags = 0;
  const compatible = ((at(2) << 24) | (at(3) << 16) | (at(4) << 8) | at(5)) >>> 0;
  for (let bit = 0; bit < 32; bit++) {
    flags = (flags * 2 + ((compatible >>> bit) & 1)) >>> 0;
  }
  // Of the 48 bits of constraints no profile uses more than 14 (ITU-T H.265 §7.4.4).
  const constraints = [...set.subarray(6, 9)];
  while (constraints.at(-1) === 0) {
    constraints.pop();
  }
  const tier = at(1) & 0x20 ? "H" : "L";
  return [`${space}${at(1) & 0x1f}`, HEX(flags), `${tier}${at(12)}`, ...constraints.map((byte) => HEX(byte))].join(".");
}

export interface Fragment {
  /** Decode time of the first picture, in ticks. */
  start: number;
  /** When each picture is shown, in ticks from `start`, in order; without the delay of the file. */
  shown: number[];
  /** How long it all lasts, in ticks. */
  lasts: number;
}

/** Read the fragments in some bytes (each `moof` and its `mdat`), and hide their sound. */
export function openFragments(bytes: Uint8Array): Fragment[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: Fragment[] = [];
  for (const moof of boxes(view, 0, bytes.byteLength)) {
    if (moof.type !== "moof") {
      continue;
    }
    const [pictures, ...others] = [...boxes(view, moof.body, moof.end)].filter((box) => box.type === "traf");
    for (const traf of others) {
      hide(view, traf);
    }
    const fragment = pictures ? readTrack(view, pictures) : null;
    if (fragment) {
      found.push(fragment);
    }
  }
  return found;
}

function readTrack(view: DataView, traf: Box): Fragment | null {
  const time = find(view, traf, "tfdt");
  const run = find(view, traf, "trun");
  if (!time || !run) {
    return null;
  }
  const start = view.getUint8(time.body) === 1 ? Number(view.getBigUint64(time.body + 4)) : view.getUint32(time.body + 4);
  const flags = view.getUint32(run.body) & 0xffffff;
  let at = run.body + 8 + (flags & 0x1 ? 4 : 0) + (flags & 0x4 ? 4 : 0);
  const shown: number[] = [];
  let decoded = 0;
  for (let left = view.getUint32(run.body + 4); left > 0 && at < run.end; left--) {
    const lasts = flags & 0x100 ? view.getUint32(at) : 0;
    at += [0x100, 0x200, 0x400].filter((flag) => flags & flag).length * 4;
    // Offsets are read signed in either version: none of ours is beyond 31 bits.
    shown.push(decoded + (flags & 0x800 ? view.getInt32(at) : 0));
    at += flags & 0x800 ? 4 : 0;
    decoded += lasts;
  }
  return { start, shown: shown.sort((one, other) => one - other), lasts: decoded };
}
