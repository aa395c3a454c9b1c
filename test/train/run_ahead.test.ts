// On a device that computes beside the host an update is begun before the one before it is heard of; what is
// counted, logged, saved and refused stays the same.
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { divergence } from "../../src/train/divergence.ts";
import { type Script, scriptedRun } from "./scripted_run.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-ahead-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** What happens in six updates, of which the fourth ends an epoch. */
async function eventsOf(script: Script) {
  const events: string[] = [];
  const tell = (event: string): void => void events.push(event);
  const save = async (path: string, updates: number): Promise<void> => {
    writeFileSync(path, "");
    tell(`save ${updates}`);
  };
  const { run, counted } = scriptedRun({ runsAhead: true, tell, save, ...script });
  const failure = await run.run(1).then(
    () => undefined,
    (error: Error) => error.message,
  );
  return { events, counted, failure, updates: run.updates };
}

const together = (text: string): string[] => text.split(", ");

test("TrainingRun begins an update before it hears of the last, and hears of all at an epoch's end", async () => {
  const { events, counted } = await eventsOf({});
  expect(events).toEqual([
    ...together("begin 1, begin 2, hear 1, begin 3, hear 2, begin 4, hear 3, hear 4"),
    ...together("begin 5, begin 6, hear 5, hear 6"),
  ]);
  expect(counted).toEqual([1, 2, 3, 4, 5, 6]);
});

test("TrainingRun hears of every update before it saves", async () => {
  const checkpoint = { no_save: false, save_dir: folder, save_interval_updates: 2 };
  const { events } = await eventsOf({ checkpoint });
  expect(events).toEqual([
    ...together("begin 1, begin 2, hear 1, hear 2, save 2"),
    ...together("begin 3, begin 4, hear 3, hear 4, save 4"),
    ...together("begin 5, begin 6, hear 5, hear 6, save 6"),
  ]);
});

test("TrainingRun ends with an update that diverged, though the next one is begun", async () => {
  const { events, failure, counted, updates } = await eventsOf({
    onHear(update) {
      if (update === 2) throw divergence("update 2", "loss NaN");
    },
  });
  expect(failure).toContain("update 2: loss NaN");
  expect(events).toEqual(together("begin 1, begin 2, hear 1, begin 3, hear 2"));
  expect(counted).toEqual([1]);
  // As far as was heard: what an error says of a device that is lost.
  expect(updates).toBe(1);
});

test("TrainingRun that a signal ends hears of the update that is under way, and saves it", async () => {
  const checkpoint = { no_save: false, save_dir: folder };
  const { events } = await eventsOf({ checkpoint, signalAfter: 3 });
  expect(events).toEqual(together("begin 1, begin 2, hear 1, begin 3, hear 2, hear 3, save 3"));
});

test("TrainingRun hears of each update at once where nothing runs beside it", async () => {
  const { events } = await eventsOf({ runsAhead: false });
  expect(events.slice(0, 4)).toEqual(together("begin 1, hear 1, begin 2, hear 2"));
});
