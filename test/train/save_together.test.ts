// A checkpoint is everybody's: whoever writes it may die in the midst of that.
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { ViewChanged } from "../../cluster/peer/view_changed.ts";
import type { RunState } from "../../src/train/run_state.ts";
import { scriptedRun } from "./scripted_run.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-saves-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A run that saves every two updates, beside one that leads until the `lastOf` a name is shared. */
async function runBehind(lastOf: string, place: number) {
  const position = { place, count: 2 };
  const written: string[] = [];
  const shared: string[] = [];
  const told: RunState[] = [];
  const { run, company, counted } = scriptedRun({
    peers: {
      position,
      async share(name, value) {
        shared.push(name);
        if (name !== lastOf || told.length > 0) return [value, value];
        told.push(structuredClone(run.state));
        throw new ViewChanged();
      },
      async settle() {
        position.place = 0;
      },
    },
    checkpoint: { no_save: false, save_interval_updates: 2, save_dir: folder },
    async save(path, updates) {
      written.push(`${basename(path)} ${updates}`);
      writeFileSync(path, `${updates}`);
    },
  });
  await company.meet({
    record: async () => "",
    restore: async () => 1,
    suspended: async () => undefined,
  });
  position.place = place;
  await run.run(1);
  return { written, shared, told, counted };
}

test("TrainingRun saves what the peer that led died over", async () => {
  const { written, shared, told, counted } = await runBehind("save 2", 1);
  expect(written[0]).toBe("checkpoint_1_2.safetensors 2");
  expect(readFileSync(join(folder, "checkpoint_1_2.safetensors"), "utf8")).toBe("2");
  expect(shared.slice(0, 2)).toEqual(["save 2", "save 2"]);
  expect(counted).toEqual([1, 2, 3, 4, 5, 6]);
  // One that comes in that moment has nothing else to do before the next update.
  expect(told[0].pending).toEqual({ epoch: 1, endOfEpoch: false, saving: { save: true } });
});

test("TrainingRun saves once, though the peers change while it does", async () => {
  const { written } = await runBehind("save 4", 0);
  expect(written.filter((each) => each.endsWith(" 4"))).toEqual(["checkpoint1.safetensors 4"]);
});

test("TrainingRun goes on with saving where a newcomer finds that under way", async () => {
  const saved: string[] = [];
  const { run, trainer, counted } = scriptedRun({
    peers: {
      position: { place: 1, count: 2 },
      share: async (name) => {
        saved.push(name);
        return ["", ""];
      },
      settle: async () => undefined,
    },
    checkpoint: { no_save: false, save_dir: folder },
  });
  trainer.updates = 6;
  run.state.pending = {
    ...{ epoch: 2, endOfEpoch: false },
    saving: { save: true, reason: "done", value: 2, best: 3 },
  };
  const { reason } = await run.run(2);
  expect([reason, saved, counted]).toEqual(["done", ["save 6", "end 6"], []]);
  expect(run.state.best).toBe(2);
});
