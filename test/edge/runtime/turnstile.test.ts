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

/** Whose tasks they are. */
const one = {};
const other = {};

test("Turnstile lets so many in at a time, in the order in which they came", async () => {
  const turnstile = new Turnstile(2);
  const gates = Array.from({ length: 5 }, gate);
  const running: number[] = [];
  const all = gates.map(({ task }, i) =>
    turnstile.pass(one, undefined, () => {
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
  const holding = turnstile.pass(one, undefined, first.task);
  const leaving = new AbortController();
  const left = turnstile.pass(one, leaving.signal, async () => "never");
  const failing = turnstile.pass(one, undefined, async () => {
    throw new Error("a task failed");
  });
  const last = turnstile.pass(one, undefined, async () => "last");
  leaving.abort(new Error("gone"));
  await expect(left).rejects.toThrow("gone");
  first.open();
  await holding;
  await expect(failing).rejects.toThrow("a task failed");
  expect(await last).toBe("last");
  await expect(turnstile.pass(one, leaving.signal, async () => "never")).rejects.toThrow("gone");
});

test("Turnstile lets parties take turns: a thousand tasks of one do not hold up another's", async () => {
  const turnstile = new Turnstile(2);
  const done: string[] = [];
  const task = (name: string) => async (): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve));
    done.push(name);
  };
  const many = Array.from({ length: 1000 }, (_, i) => turnstile.pass(one, undefined, task(`${i}`)));
  await turnstile.pass(other, undefined, task("other"));
  expect(done.length).toBeLessThan(8);
  await Promise.all(many);
  expect(done.filter((name) => name !== "other")).toEqual(many.map((_, i) => `${i}`));
});

test("Turnstile forgets twenty thousand waiting tasks at once when their signal is aborted", async () => {
  const turnstile = new Turnstile(1);
  const first = gate();
  const holding = turnstile.pass(other, undefined, first.task);
  const leaving = new AbortController();
  const tasks = Array.from({ length: 20_000 }, () =>
    turnstile.pass(one, leaving.signal, async () => undefined),
  );
  leaving.abort(new Error("gone"));
  const settled = await Promise.allSettled(tasks);
  expect(settled.every(({ status }) => status === "rejected")).toBe(true);
  first.open();
  await holding;
  expect(await turnstile.pass(one, undefined, async () => "free")).toBe("free");
});
