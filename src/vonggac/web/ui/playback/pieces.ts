// Pieces of footage: told apart, fetched by their bytes, handed to the browser.

import { ask, Refused } from "./api";
import { same, type Segment, type Source } from "./playlist";

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
    bytes = new Uint8Array(await answer.arrayBuffer());
  } catch (error) {
    throw signal.aborted ? error : new Refused(0, "");
  }
  // A server may answer with the whole (RFC 9110 §14.2).
  return source.range && answer.status === 200 ? bytes.slice(...source.range) : bytes;
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
