import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { serverNow } from "../../../src/vonggac/web/ui/clock.ts";
import { Tracks } from "../../../src/vonggac/web/ui/playback/tracks.ts";

const HOUR = 3_600_000;
const CAMERA = { id: "a", number: 3, name: "Cổng chợ", folded: "", unit: "u" };
const WIDTH = 1_000;

globalThis.window = globalThis;
globalThis.document = { hidden: false, body: { dataset: {} } };

/** Tracks of one camera, the questions they ask, and a clock that is moved by hand. */
function tracks(context, { answers = true } = {}) {
  const time = { ms: 0 };
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  mock.method(performance, "now", () => time.ms);
  const asked = [];
  mock.method(globalThis, "fetch", (path, { signal }) => {
    const query = new URL(path, "https://centre.test").searchParams;
    const question = { fromMs: Number(query.get("from")), toMs: Number(query.get("to")), signal };
    asked.push(question);
    const said = { now_ms: 0, due_from_ms: 0, due_to_ms: 0, recorded: [], gaps: [], marks: [], bookmarks: [] };
    return answers ? Promise.resolve(Response.json(said)) : new Promise(() => {});
  });
  context.after(() => {
    mock.timers.reset();
    mock.restoreAll();
  });
  const made = new Tracks(() => {});
  const pass = async (ms) => {
    time.ms += ms;
    mock.timers.tick(ms);
    for (let turn = 0; turn < 10; turn++) {
      await Promise.resolve();
    }
    await new Promise(setImmediate);
  };
  return { made, asked, pass };
}

/** Follow the clock at its speed, as the page does ten times a second. */
async function follow({ made, pass }, fromMs, wide, seconds) {
  for (let beat = 0; beat < seconds * 10; beat++) {
    made.want({ fromMs: fromMs + beat * 100, toMs: fromMs + beat * 100 + wide }, WIDTH);
    await pass(100);
  }
  return fromMs + seconds * 1_000 + wide;
}

test("what comes into view is asked for, also while the view never stands still", async (context) => {
  const all = tracks(context);
  all.made.show([CAMERA]);
  const shown = await follow(all, serverNow() - 24 * HOUR, 60_000, 150);
  assert.ok(all.asked.at(-1).toMs >= shown, "the timeline runs into what nobody asked for");
  assert.ok(all.asked.length < 10, `${all.asked.length} questions`);
});

test("a slow answer is waited for while it would tell what is in view", async (context) => {
  const all = tracks(context, { answers: false });
  all.made.show([CAMERA]);
  await follow(all, serverNow() - 24 * HOUR, HOUR, 8);
  const [first, ...others] = all.asked.filter((question) => question.toMs - question.fromMs > 1_000);
  assert.equal(others.length, 0);
  assert.equal(first.signal.aborted, false);
  all.made.renew(CAMERA);
  await all.pass(1_000);
  assert.equal(first.signal.aborted, true);
  assert.equal(all.asked.at(-1).signal.aborted, false);
});

test("an answer is never made coarser by what lies beside the view", async (context) => {
  // The limits of vonggac.video.playback.timeline: MARKED_US and FINE_US.
  for (const [wide, most] of [
    [60_000, 2 * HOUR],
    [HOUR, 2 * HOUR],
    [1.7 * HOUR, 2 * HOUR],
    [24 * HOUR, 48 * HOUR],
    [40.5 * HOUR, 48 * HOUR],
  ]) {
    const { made, asked, pass } = tracks(context);
    made.show([CAMERA]);
    const fromMs = serverNow() - 100 * HOUR + 0.3;
    made.want({ fromMs, toMs: fromMs + wide }, WIDTH);
    await pass(1_000);
    const { fromMs: askedFrom, toMs: askedTo } = asked.at(-1);
    assert.ok(askedFrom <= fromMs && askedTo >= fromMs + wide);
    assert.ok(askedTo - askedFrom <= most, `${wide} ms in view: ${askedTo - askedFrom} ms asked for`);
    mock.timers.reset();
    mock.restoreAll();
  }
});
