import assert from "node:assert/strict";
import { test } from "node:test";
import { readWhen } from "../../../src/vonggac/web/ui/playback/when.ts";
import { Zone } from "../../../src/vonggac/web/ui/playback/zone.ts";

const zone = new Zone("Asia/Ho_Chi_Minh");
const local = (...parts) => Date.UTC(...parts) - 7 * 3_600_000;
const NOW = local(2026, 10, 25, 10, 30, 0);
const SHOWN = local(2026, 10, 20, 9, 0, 0);

function read(text, shown = NOW) {
  return readWhen(text, NOW, shown, zone);
}

const MOMENTS = {
  "14:03 hôm qua": local(2026, 10, 24, 14, 3),
  "hôm qua 14:03": local(2026, 10, 24, 14, 3),
  "14h03 hom qua": local(2026, 10, 24, 14, 3),
  "Lúc 14 giờ 03 phút ngày hôm qua": local(2026, 10, 24, 14, 3),
  "14 giờ hôm qua": local(2026, 10, 24, 14),
  "2 giờ chiều hôm qua": local(2026, 10, 24, 14),
  "2h30 chiều hôm kia": local(2026, 10, 23, 14, 30),
  "9 giờ tối hôm qua": local(2026, 10, 24, 21),
  "12 giờ trưa hôm qua": local(2026, 10, 24, 12),
  "11 giờ trưa hôm qua": local(2026, 10, 24, 11),
  "12 giờ đêm hôm qua": local(2026, 10, 25, 0),
  "12 giờ đêm": local(2026, 10, 25, 0),
  "12h30 đêm 31/10": local(2026, 10, 1, 0, 30),
  "11 giờ đêm hôm qua": local(2026, 10, 24, 23),
  "1 giờ đêm hôm qua": local(2026, 10, 24, 1),
  "8 giờ sáng": local(2026, 10, 25, 8),
  "yesterday 14:03:05": local(2026, 10, 24, 14, 3, 5),
  "2:03 pm yesterday": local(2026, 10, 24, 14, 3),
  "12:05 am": local(2026, 10, 25, 0, 5),
  "day before yesterday 7:00": local(2026, 10, 23, 7),
  "24/11 14:03:05": local(2026, 10, 24, 14, 3, 5),
  "14:03 24/11/2025": local(2025, 10, 24, 14, 3),
  "24.11.26 14:03": local(2026, 10, 24, 14, 3),
  "2026-11-24 14:03": local(2026, 10, 24, 14, 3),
  "2026-11-24T14:03:05.250": local(2026, 10, 24, 14, 3, 5) + 250,
  "24/11": local(2026, 10, 24),
  "hôm nay": local(2026, 10, 25),
  "10:29": local(2026, 10, 25, 10, 29),
  "14:03": local(2026, 10, 24, 14, 3),
  "31/12 8:00": local(2025, 11, 31, 8),
  now: NOW,
  "bây giờ": NOW,
  "5 phút trước": NOW - 300_000,
  "2 hours ago": NOW - 7_200_000,
};

for (const [text, ms] of Object.entries(MOMENTS)) {
  test(`“${text}” is understood`, () => assert.deepEqual(read(text), { ms }));
}

test("a time without a day is on the day that is shown", () => {
  assert.deepEqual(read("14:03", SHOWN), { ms: local(2026, 10, 20, 14, 3) });
});

test("steps count from what is shown", () => {
  assert.deepEqual(read("-10 phút", SHOWN), { ms: SHOWN - 600_000 });
  assert.deepEqual(read("+ 30 s", SHOWN), { ms: SHOWN + 30_000 });
  assert.deepEqual(read("−1h", SHOWN), { ms: SHOWN - 3_600_000 });
});

for (const text of ["", "khi nào đó", "14:", "14:03 24/11 hôm qua", "99", "-5 con mèo", "24/11 14:03 và", "<b>"]) {
  test(`“${text}” is told to be none`, () => assert.deepEqual(read(text), { problem: "unreadable" }));
}

for (const text of ["25:00", "14:61", "31/11 10:00", "29/02/2026"]) {
  test(`“${text}” is no day or time there is`, () => assert.deepEqual(read(text), { problem: "no-such-day" }));
}

for (const text of ["hôm nay 23:00", "26/11/2026 8:00", "+3 giờ"]) {
  test(`“${text}” is still to come`, () => assert.deepEqual(read(text), { problem: "future" }));
}
