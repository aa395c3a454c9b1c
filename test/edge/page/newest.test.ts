import { expect, test } from "bun:test";
import { Newest } from "../../../edge/page/newest.ts";

const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

test("Newest.run() runs only the last of tasks that follow each other quickly", async () => {
  const newest = new Newest();
  const ran: number[] = [];
  for (const i of [1, 2, 3]) newest.run(async () => void ran.push(i), 20);
  await pause(60);
  expect(ran).toEqual([3]);
});

test("Newest.run() aborts the task that runs as soon as another is wanted", async () => {
  const newest = new Newest();
  const signals: AbortSignal[] = [];
  const task = async (signal: AbortSignal): Promise<void> => void signals.push(signal);
  newest.run(task, 0);
  await pause(10);
  newest.run(task, 0);
  await pause(10);
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
});

test("Newest.cancel() forgets a task that waits", async () => {
  const newest = new Newest();
  let hasRun = false;
  newest.run(async () => {
    hasRun = true;
  }, 5);
  newest.cancel();
  await pause(20);
  expect(hasRun).toBe(false);
});
