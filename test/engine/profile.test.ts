import { expect, test } from "bun:test";
import { type Span, WAIT_FOR_GPU } from "../../src/device/spans.ts";
import { accountOf, summaryOf } from "../../src/engine/profile.ts";

const span = (kind: Span["kind"], name: string, start: number, duration: number): Span => ({
  ...{ name, start, duration, detail: "", kind },
});

test("accountOf() counts every moment once: a span's time is what none within it takes", () => {
  // Spans come in the order in which they end.
  const account = accountOf([
    span("host", "copy inputs", 110, 5),
    span("op", "linear", 115, 60),
    span("host", "wait for threads", 175, 5),
    span("host", "run", 105, 80),
    span("step", "update", 100, 100),
    span("op", "linear", 300, 50),
    span("step", "update", 300, 60),
  ]);
  expect(Object.fromEntries(account.rows)).toEqual({
    ...{ linear: 110, run: 10, "copy inputs": 5, "wait for threads": 5 },
  });
  expect(account).toMatchObject({ steps: 2, wall: 160, elsewhere: 30 });
  expect(summaryOf(account)).toStartWith(
    "81.3 % of 0.00 s in 2 updates is accounted for: linear 68.8 %, run 6.3 %",
  );
});

test("accountOf() calls waiting for a GPU what its kernels do not explain", () => {
  const account = accountOf([
    span("host", "encode", 0, 10),
    span("gpu", "linear", 15, 70),
    span("host", WAIT_FOR_GPU, 10, 90),
    span("step", "update", 0, 100),
  ]);
  expect(Object.fromEntries(account.rows)).toEqual({ linear: 70, [WAIT_FOR_GPU]: 20, encode: 10 });
  expect(account.elsewhere).toBe(0);
});
