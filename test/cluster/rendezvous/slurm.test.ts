// The variables are those that Slurm 22.05 set, less what plays no part.
import { expect, test } from "bun:test";
import { resolveWorld } from "../../../cluster/rendezvous/resolve_world.ts";
import type { World } from "../../../cluster/rendezvous/world.ts";
import { addressText } from "../../../cluster/transport/address_text.ts";

type Variables = Readonly<Record<string, string>>;

const addressesOf = (world: World | undefined): string =>
  world?.meeting.kind === "static" ? world.meeting.addresses.map(addressText).join(" ") : "";

/** srun -n 5 -N 3: task 4. */
const lastOfFive: Variables = {
  SLURM_JOB_ID: "1",
  SLURM_JOB_NODELIST: "gnode[01-03]",
  SLURM_LOCALID: "0",
  SLURM_NODEID: "2",
  SLURM_NTASKS: "5",
  SLURM_PROCID: "4",
  SLURM_STEP_ID: "0",
  SLURM_STEP_NODELIST: "gnode[01-03]",
  SLURM_STEP_NUM_TASKS: "5",
  SLURM_STEP_TASKS_PER_NODE: "3,1(x2)",
  SLURM_TASKS_PER_NODE: "3,1(x2)",
};

test("a task of srun knows its rank and where all tasks are", () => {
  const world = resolveWorld(lastOfFive, {});
  expect(world).toMatchObject({ source: "Slurm", rank: 4, size: 5, localRank: 0, port: 29400 });
  expect(world?.job).toBe("slurm-1.0");
  expect(addressesOf(world)).toBe(
    "gnode01:29400 gnode01:29401 gnode01:29402 gnode02:29400 gnode03:29400",
  );
});

test("tasks of a node listen on --port and the next ones", () => {
  const second = { SLURM_PROCID: "1", SLURM_NODEID: "0", SLURM_LOCALID: "1" };
  const world = resolveWorld({ ...lastOfFive, ...second }, { port: 5000 });
  expect(world).toMatchObject({ rank: 1, localRank: 1, port: 5001 });
  expect(addressesOf(world)).toStartWith("gnode01:5000 gnode01:5001 ");
  expect(() => resolveWorld({ ...lastOfFive, ...second }, { port: 65534 })).toThrow(
    "--port 65534: process 2 of this machine would listen on port 65536",
  );
  expect(() => resolveWorld(lastOfFive, { port: 0 })).toThrow("--port 0: Slurm does not tell");
});

test("tasks that srun dealt out card by card are found where they are", () => {
  const cyclic = { ...lastOfFive, SLURM_DISTRIBUTION: "cyclic", SLURM_NODEID: "0" };
  expect(addressesOf(resolveWorld({ ...cyclic, SLURM_LOCALID: "2" }, {}))).toBe(
    "gnode01:29400 gnode02:29400 gnode03:29400 gnode01:29401 gnode01:29402",
  );
  const plane = { ...cyclic, SLURM_DISTRIBUTION: "plane", SLURM_DIST_PLANESIZE: "2" };
  expect(addressesOf(resolveWorld({ ...plane, SLURM_LOCALID: "2" }, {}))).toBe(
    "gnode01:29400 gnode01:29401 gnode02:29400 gnode03:29400 gnode01:29402",
  );
});

test("the step's nodes count, not those of the whole job", () => {
  const step = {
    SLURM_NODEID: "1",
    SLURM_NTASKS: "2",
    SLURM_PROCID: "1",
    SLURM_STEP_ID: "3",
    SLURM_STEP_NODELIST: "gnode[01-02]",
    SLURM_STEP_NUM_TASKS: "2",
    SLURM_STEP_TASKS_PER_NODE: "1(x2)",
    SLURM_DISTRIBUTION: "cyclic",
  };
  const world = resolveWorld({ ...lastOfFive, ...step, SLURM_RESTART_COUNT: "1" }, {});
  expect(world).toMatchObject({ rank: 1, size: 2, job: "slurm-1.3-restart-1" });
  expect(addressesOf(world)).toBe("gnode01:29400 gnode02:29400");
});

test("one task is a world of one", () => {
  const one = { SLURM_NTASKS: "1", SLURM_PROCID: "0", SLURM_STEP_NUM_TASKS: "1" };
  expect(resolveWorld({ ...lastOfFive, ...one }, {})).toMatchObject({ rank: 0, size: 1 });
});

test("a batch script and the shells of salloc are no tasks, whatever SLURM_PROCID says", () => {
  const { SLURM_STEP_ID: _, SLURM_STEP_NUM_TASKS: __, ...batch } = lastOfFive;
  expect(resolveWorld({ ...batch, SLURM_PROCID: "0" }, {})).toBeUndefined();
  const { SLURM_PROCID: ___, ...salloc } = batch;
  expect(resolveWorld(salloc, {})).toBeUndefined();
  const shell = { SLURM_PROCID: "0", SLURM_STEP_ID: "4294967290", SLURM_STEP_NUM_TASKS: "1" };
  expect(resolveWorld({ ...batch, ...shell }, {})).toBeUndefined();
});

test("variables of Slurm that contradict each other are refused by name", () => {
  const refused = (changes: Variables, ...words: string[]): void => {
    for (const word of words) {
      expect(() => resolveWorld({ ...lastOfFive, ...changes }, {})).toThrow(word);
    }
  };
  // A batch script that was submitted from within a step of one task inherits the step's variables.
  const nested = { SLURM_PROCID: "0", SLURM_STEP_NUM_TASKS: "1" };
  refused(nested, "SLURM_STEP_NUM_TASKS=1: contradicts SLURM_NTASKS=5", "start weft with srun");
  refused(
    { SLURM_PROCID: "5" },
    "SLURM_PROCID=5: with SLURM_STEP_NUM_TASKS=5 ranks go from 0 to 4",
  );
  refused({ SLURM_NODEID: "1" }, "SLURM_PROCID=4: is task 0 of node 1 here", "task 0 of node 2");
  refused({ SLURM_STEP_TASKS_PER_NODE: "3,2" }, "SLURM_STEP_TASKS_PER_NODE=3,2: are 5 tasks on 2");
  refused({ SLURM_STEP_TASKS_PER_NODE: "3" }, "are 3 tasks on 1 nodes", "--rendezvous file:");
  refused({ SLURM_STEP_NODELIST: "gnode[" }, 'SLURM_STEP_NODELIST: "gnode[" is not a list');
  refused({ SLURM_DISTRIBUTION: "arbitrary" }, 'SLURM_DISTRIBUTION: "arbitrary" does not say');
  refused({ WORLD_SIZE: "8" }, "WORLD_SIZE=8: contradicts Slurm, by which this is rank 4 of 5");
  expect(resolveWorld({ ...lastOfFive, WORLD_SIZE: "5", MASTER_ADDR: "gnode01" }, {})?.rank).toBe(
    4,
  );
});

test("peers of Slurm may meet elsewhere, and in other numbers than the step has", () => {
  const arbitrary = { ...lastOfFive, SLURM_DISTRIBUTION: "arbitrary" };
  const rendezvous = "file:///shared/meeting";
  expect(resolveWorld(arbitrary, { rendezvous })).toMatchObject({ rank: 4, size: 5, port: 0 });
  expect(resolveWorld(arbitrary, { rendezvous, world_size: 9 })).toMatchObject({
    rank: undefined,
    size: 9,
    localRank: 0,
  });
});
