// An update that all peers hold is applied while a view is settled, and so before newcomers of the same
// view are told where the run stands.
import { expect, test } from "bun:test";
import { ViewChanged } from "../../cluster/peer/view_changed.ts";
import type { Settlement } from "../../src/train/peers.ts";
import type { RunState } from "../../src/train/run_state.ts";
import { BATCHES, scriptedRun } from "./scripted_run.ts";

/** At update `broken` the peers change, and all hold it. */
async function runBrokenAt(broken: number) {
  const recorded: { updates: number; state: RunState }[] = [];
  const { run, company, trainer, counted } = scriptedRun({
    beforeUpdate(update) {
      if (update === broken && recorded.length === 0) throw new ViewChanged();
    },
    peers: {
      position: { place: 0, count: 1 },
      share: async (_: string, value: string) => [value],
      settle: async ({ applyHeld, record }: Settlement) => {
        if (recorded.length === 0 && trainer.updates > 0) await applyHeld(new Map());
        await record();
      },
    },
  });
  await company.meet({
    async record() {
      if (trainer.updates > 0) {
        recorded.push({ updates: trainer.updates, state: structuredClone(run.state) });
      }
      return "";
    },
    restore: async () => 1,
    suspended: async () => undefined,
  });
  await run.run(1);
  return { recorded, counted };
}

test("TrainingRun tells newcomers of the place behind an update that it applies in their view", async () => {
  const { recorded, counted } = await runBrokenAt(3);
  expect(counted).toEqual([1, 2, 3, 4, 5, 6]);
  expect(recorded).toHaveLength(1);
  const [{ updates, state }] = recorded;
  expect(updates).toBe(3);
  expect(state.position).toMatchObject({ epoch: 1, iterations_in_epoch: 3 });
  expect(state.pending).toEqual({ epoch: 1, endOfEpoch: false });
});

test("TrainingRun tells newcomers what follows an update that ends an epoch", async () => {
  const { recorded } = await runBrokenAt(BATCHES);
  const [{ updates, state }] = recorded;
  expect(updates).toBe(BATCHES);
  expect(state.position).toMatchObject({ epoch: 2, iterations_in_epoch: 0 });
  expect(state.pending).toEqual({ epoch: 1, endOfEpoch: true });
});
