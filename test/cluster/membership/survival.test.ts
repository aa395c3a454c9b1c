// Clusters of 2 to 7 peers through kills, pauses, partitions, broken connections, departures and arrivals,
// each at a random time or in the midst of what another one has set off. Always: one view in a generation,
// no update lost, made twice or left out, no two sides that both go on; and when it is over, all are
// members again and go on.
import { expect, test } from "bun:test";
import { runSeed } from "./run_seed.ts";

const SEEDS = 800;

for (const isFenced of [false, true]) {
  const register = isFenced ? "with a register" : "without a register";

  test(`clusters ${register} survive random faults, and recover`, async () => {
    let [updates, views, begunAnew] = [0, 0, 0];
    for (let seed = 0; seed < SEEDS; seed++) {
      const outcome = await runSeed(seed, isFenced);
      updates += outcome.updates;
      views += outcome.views;
      begunAnew += Number(outcome.isBegunAnew);
    }
    expect(updates / SEEDS).toBeGreaterThan(20);
    expect(views / SEEDS).toBeGreaterThan(3);
    // All that were there at the beginning have died, in a model where they need not tell of each other.
    expect(begunAnew).toBeLessThan(SEEDS / 100);
  });
}
