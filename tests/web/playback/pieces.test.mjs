import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { fetchBytes } from "../../../src/vonggac/web/ui/playback/pieces.ts";

const SOURCE = { uri: "https://centre.test/recording/7.mp4", range: [10, 16] };

/** An answer whose pieces are sent by hand. */
function answering(context, status = 206) {
  mock.timers.enable({ apis: ["setTimeout"] });
  let send;
  let given = false;
  const body = new ReadableStream({ start: (controller) => (send = controller), cancel: () => void (given = true) });
  mock.method(globalThis, "fetch", () => Promise.resolve(new Response(body, { status })));
  context.after(() => {
    mock.timers.reset();
    mock.restoreAll();
  });
  const pass = async (ms) => {
    await new Promise(setImmediate);
    mock.timers.tick(ms);
    await new Promise(setImmediate);
  };
  return { send, pass, wasGivenUp: () => given };
}

test("a piece may take long, as long as something comes", async (context) => {
  const { send, pass } = answering(context);
  const fetched = fetchBytes(SOURCE, new AbortController().signal);
  for (const byte of [1, 2, 3, 4, 5, 6]) {
    await pass(14_000);
    send.enqueue(new Uint8Array([byte]));
  }
  send.close();
  assert.deepEqual([...(await fetched)], [1, 2, 3, 4, 5, 6]);
});

test("an answer that stands still in the middle is a line that is down", async (context) => {
  const { send, pass, wasGivenUp } = answering(context);
  const fetched = assert.rejects(fetchBytes(SOURCE, new AbortController().signal), { status: 0 });
  send.enqueue(new Uint8Array([1]));
  await pass(15_000);
  await fetched;
  assert.equal(wasGivenUp(), true);
});

test("a server that answers with the whole is cut to the part that was asked for", async (context) => {
  const { send } = answering(context, 200);
  const fetched = fetchBytes(SOURCE, new AbortController().signal);
  send.enqueue(Uint8Array.from({ length: 20 }, (_, place) => place));
  send.close();
  assert.deepEqual([...(await fetched)], [10, 11, 12, 13, 14, 15]);
});
