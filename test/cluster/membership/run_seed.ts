// One model cluster through random faults, to the point where all go on together.
import { NumpyRandom } from "../../../src/data/numpy_random.ts";
import { BegunAnew } from "./history.ts";
import { ModelCluster } from "./model_cluster.ts";
import { RandomFaults, TROUBLED } from "./random_faults.ts";

/** Milliseconds after the last fault within which all must be members again, and make updates. */
const RECOVERY = 8000;
const UPDATES = 3;

export interface Outcome {
  readonly updates: number;
  readonly views: number;
  /** Whether processes that knew nothing formed a cluster of their own, which ended the run. */
  readonly isBegunAnew: boolean;
  /** Milliseconds from the last fault until all were members. */
  readonly recovery: number;
}

/** @throws Error with what happened, if an invariant is violated or the cluster does not recover. */
export async function runSeed(seed: number, isFenced: boolean): Promise<Outcome> {
  const random = new NumpyRandom(seed);
  const size = random.randint(2, 6);
  const losesQuorum = random.random() < 0.3;
  const cluster = new ModelCluster(random, { size, isFenced, losesQuorum });
  const faults = new RandomFaults(cluster, random.randint(0, 9));
  const { history } = cluster;
  const outcome = (recovery: number, isBegunAnew: boolean): Outcome => ({
    ...{ updates: history.updates, views: history.latest?.generation ?? 0 },
    ...{ recovery, isBegunAnew },
  });
  try {
    await cluster.runUntil(2 * TROUBLED, () => faults.areOver);
    const over = cluster.now;
    const isWell = await cluster.runUntil(over + RECOVERY, () => cluster.isWell);
    const recovery = cluster.now - over;
    const goal = history.updates + UPDATES;
    const isDone = (): boolean => history.updates >= goal;
    if (!isWell || !(await cluster.runUntil(cluster.now + RECOVERY, isDone))) {
      throw new Error("the cluster does not recover");
    }
    return outcome(recovery, false);
  } catch (error) {
    if (error instanceof BegunAnew && losesQuorum) return outcome(0, true);
    const kind = isFenced ? "with a fence" : "without a fence";
    const { message } = error as Error;
    throw new Error(`seed ${seed} ${kind}: ${message}\n${cluster.report()}`);
  }
}
