import { expect, test } from "bun:test";
import { Turnstile } from "../../../edge/runtime/turnstile.ts";

/** A task that runs until it is told to end. */
function gate(): { task: () => Promise<void>; open: () => void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { task: () => opened, open };
}

test("Turnstile lets so many in at a time, in the order in which they came", async () => {
  const turnstile = new Turnstile(2);
  const gates = Array.from({ length: 5 }, gate);
  const running: number[] = [];
  const all = gates.map(({ task }, i) =>
    turnstile.pass(undefined, () => {
      running.push(i);
      return task();
    }),
  );
  await Promise.resolve();
  expect(running).toEqual([0, 1]);
  gates[1].open();
  await all[1];
  await new Promise((resolve) => setTimeout(resolve));
  expect(running).toEqual([0, 1, 2]);
  for (const { open } of gates) open();
  await Promise.all(all);
  expect(running).toEqual([0, 1, 2, 3, 4]);
});

test("Turnstile gives a place on after a failure, and none to who stopped waiting", async () => {
  const turnstile = new Turnstile(1);
  const first = gate();
  const holding = turnstile.pass(undefined, first.task);
  const leaving = new AbortController();
  const left = turnstile.pass(leaving.signal, async () => "never");
  const failing = turnstile.pass(undefined, async () => {
    throw new Error("a task failed");
  });
  const last = turnstile.pass(undefined, async () => "last");
  leaving.abort(new Error("gone"));
  await expect(left).rejects.toThrow("gone");
  first.open();
  await holding;
  await expect(failing).rejects.toThrow("a task failed");
  expect(await last).toBe("last");
  await expect(turnstile.pass(leaving.signal, async () => "never")).rejects.toThrow("gone");
});
