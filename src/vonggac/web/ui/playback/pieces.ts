// Pieces of footage: told apart, fetched by their bytes, handed to the browser.

import { ask, Refused } from "./api";
import { same, type Segment, type Source } from "./playlist";

/** An answer from which nothing comes for so long is given up. */
const STALLED_MS = 15_000;

export function size(segment: Segment): number {
  return segment.range ? segment.range[1] - segment.range[0] : 0;
}

/** Whether one request can fetch both. */
export function follows(one: Segment, other: Segment): boolean {
  return one.uri === other.uri && one.range !== null && one.range[1] === other.range?.[0] && same(one.init, other.init);
}

export async function fetchAll(segments: Segment[], signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
  const [first] = segments;
  const last = segments.at(-1);
  if (!first || !last) {
    return new Uint8Array();
  }
  return fetchBytes({ uri: first.uri, range: first.range && last.range ? [first.range[0], last.range[1]] : null }, signal);
}

export async function fetchBytes(source: Source, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
  const headers = source.range ? { range: `bytes=${source.range[0]}-${source.range[1] - 1}` } : undefined;
  const answer = await ask(source.uri, signal, headers ? { headers } : {});
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = await whole(answer);
  } catch (error) {
    throw signal.aborted ? error : new Refused(0, "");
  }
  // A server may answer with the whole (RFC 9110 §14.2).
  return source.range && answer.status === 200 ? bytes.slice(...source.range) : bytes;
}

/** Read an answer to its end, however long that takes, as long as something comes. */
async function whole(answer: Response): Promise<Uint8Array<ArrayBuffer>> {
  const reader = answer.body?.getReader();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let stalls = 0;
  try {
    while (reader) {
      // A cable that was pulled says nothing: without a limit the tile would wait for what never comes.
      const silent = new Promise<never>((_, reject) => {
        stalls = setTimeout(() => reject(new Error("nothing more comes")), STALLED_MS) as unknown as number;
      });
      const { done, value } = await Promise.race([reader.read(), silent]);
      clearTimeout(stalls);
      if (done) {
        break;
      }
      parts.push(value);
    }
  } catch (error) {
    clearTimeout(stalls);
    void reader?.cancel().catch(() => undefined);
    throw error;
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** Let the buffer work, and wait until it has. */
export async function done(buffer: SourceBuffer, work: () => void): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const failed = (): void => reject(new Error("the browser could not take it"));
    buffer.addEventListener("error", failed, { once: true });
    buffer.addEventListener(
      "updateend",
      () => {
        buffer.removeEventListener("error", failed);
        resolve();
      },
      { once: true },
    );
    work();
  });
}
