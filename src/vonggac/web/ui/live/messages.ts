// What a live socket brings: messages as vonggac.web.live.session and .fragments make them.

export interface StreamMessage {
  type: "stream";
  stream: "main" | "sub";
  mode: "video" | "keyframes";
  mime?: string;
  width?: number;
  height?: number;
  why?: string;
  now_ms: number;
}

export interface AwayMessage {
  type: "away";
  reason: string;
  words: string;
  since_ms: number;
}

export interface EndedMessage {
  type: "ended";
  why: "session" | "rights";
}

/** Every ten seconds: the line is not dead, and what time it is. */
export interface AliveMessage {
  type: "alive";
  now_ms: number;
}

export type Message = StreamMessage | AwayMessage | EndedMessage | AliveMessage;

export const INIT = 1;
export const FRAGMENT = 2;
export const JPEG = 3;

export interface Picture {
  kind: number;
  key: boolean;
  /** When it reached the recorder, milliseconds since 1970. */
  arrivedMs: number;
  bytes: Uint8Array<ArrayBuffer>;
}

const HEAD = 10;
const TICKS = 90_000;
/** Where the fragments of vonggac.video.mp4.boxes have these fields, from the beginning of `moof`. */
const TFDT_TIME = 60;
const TRUN_FLAGS = 76;
const SAMPLE_OFFSET = 100;
const HAS_OFFSET = 0x800;

export function readPicture(message: ArrayBuffer): Picture {
  const view = new DataView(message);
  return {
    kind: view.getUint8(0),
    key: (view.getUint8(1) & 1) === 1,
    arrivedMs: Number(view.getBigUint64(2)) / 1000,
    bytes: new Uint8Array(message, HEAD),
  };
}

/** When a fragment's picture is shown, in seconds of media time. */
export function shownAt(fragment: Uint8Array): number {
  const view = new DataView(fragment.buffer, fragment.byteOffset, fragment.byteLength);
  const decoded = Number(view.getBigUint64(TFDT_TIME));
  const offset = (view.getUint32(TRUN_FLAGS) & HAS_OFFSET) !== 0 ? view.getInt32(SAMPLE_OFFSET) : 0;
  return (decoded + offset) / TICKS;
}
