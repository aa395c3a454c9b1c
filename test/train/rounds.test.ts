// Rounds of local updates: how they end when peers come and go, and what is saved in the midst of one.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ViewChanged } from "../../cluster/peer/view_changed.ts";
import { openCpuDevice } from "../../src/device/cpu/cpu_device.ts";
import type { Device } from "../../src/device/device.ts";
import { FlatParameters } from "../../src/engine/flat_parameters.ts";
import { toFloat32 } from "../../src/interop/stored_tensor.ts";
import { openCheckpoint, writeCheckpoint } from "../../src/train/checkpoint_file.ts";
import { Company } from "../../src/train/company.ts";
import { LocalSgd } from "../../src/train/local_sgd.ts";
import type { PeerMemory } from "../../src/train/peer_memory.ts";
import type { Peers, Rows } from "../../src/train/peers.ts";
import { Rounds } from "../../src/train/rounds.ts";
import { restoreTensors, snapshot } from "../../src/train/snapshot.ts";
import type { Trainer } from "../../src/train/trainer.ts";
import { sampleRecord } from "./checkpoint_sample.ts";

const SIZE = 64;
const EVERY = 4;
let device: Device;
beforeAll(async () => {
  device = await openCpuDevice({ threads: 1 });
});
afterAll(async () => await device.close());

const filled = (value: number): Float32Array => new Float32Array(SIZE).fill(value);

/** One peer, whose parameters are 1 when a round begins, and what its cluster answers. */
function peer(answers: string[]) {
  const parameters = new FlatParameters([{ name: "w", shape: [SIZE] }]);
  const [{ values, gradients }] = parameters.segments;
  const options = { every: EVERY, outerLr: 0.7, outerMomentum: 0.9 };
  const sgd = new LocalSgd({ device, parameters, ...options });
  const begun: (readonly number[])[] = [];
  const told: (readonly (readonly [number, number[]])[])[] = [];
  const script = {
    /** What the exchange says: that all hold it, or that the peers have changed. */
    sums: async (): Promise<Rows> => new Map([[0, [1]]]),
    held: undefined as Rows | undefined,
    generation: 1,
  };
  const peers = {
    position: { place: 0, count: 1 },
    get generation() {
      return script.generation;
    },
    step: 0,
    share: async () => answers,
    begin: (_: number, slots: readonly number[]) => begun.push(slots),
    final: () => undefined,
    sums: async (_: number, rows: (typeof told)[number]) => {
      told.push(rows);
      return await script.sums();
    },
    settle: async ({ applyHeld }: Parameters<Peers["settle"]>[0]) => {
      script.generation++;
      if (script.held) await applyHeld(script.held);
    },
  } as unknown as Peers;
  const memory = {
    gradientsOut: async () => undefined,
    gradientsIn: () => undefined,
  } as unknown as PeerMemory;
  const company = new Company(peers);
  const rounds = new Rounds({ sgd, peers, memory, company, say: () => undefined });
  device.write(values, filled(1));
  return { ...{ parameters, sgd, rounds, company, script, begun, told, values, gradients } };
}

const nobody = {
  record: async () => "",
  restore: async () => 1,
  suspended: async () => undefined,
};

test("Rounds.endIfDue() ends a round once that all hold when a newcomer makes their exchange void", async () => {
  // "1" made the round; "0" came during it, and only hears of the sum.
  const old = peer(["1", "0"]);
  old.rounds.begin(0);
  await old.company.meet(nobody);
  device.write(old.values, filled(0.5));
  old.script.sums = async () => {
    // It is complete, and the peers change before this one hears that.
    throw new ViewChanged();
  };
  old.script.held = new Map([[0, [1]]]);
  await old.rounds.endIfDue(EVERY, false);
  expect(old.begun).toEqual([[0]]);

  const newcomer = peer(["1", "0"]);
  newcomer.rounds.begin(0);
  newcomer.rounds.takeOver(0, undefined);
  await newcomer.company.meet(nobody);
  expect(newcomer.rounds.shareOf([0, 1, 2])).toEqual([]);
  // Its gradients' memory has the sum; it has gone no distance of its own.
  newcomer.script.sums = async () => {
    device.write(newcomer.gradients, filled(0.5));
    return new Map([[0, [1]]]);
  };
  await newcomer.rounds.endIfDue(EVERY, false);

  // Moved once: by 0.7 (0.5 + 0.9 x 0.5).
  const expected = filled(1 - 0.7 * (0.5 + 0.9 * 0.5));
  for (const { values, rounds } of [old, newcomer]) {
    const moved = await device.read(values);
    expect(moved[0]).toBeCloseTo(expected[0], 6);
    expect(rounds.shareOf([0, 1, 2])).toEqual([0, 1, 2]);
  }
  expect(await device.read(newcomer.values)).toEqual(await device.read(old.values));
});

test("Rounds.endIfDue() tells the others what this peer has computed in the round, and in how long", async () => {
  const { rounds, company, told } = peer(["1"]);
  await company.meet(nobody);
  rounds.begin(0);
  rounds.made(100, 0.5);
  rounds.made(200, 1);
  await rounds.endIfDue(EVERY, false);
  rounds.made(50, 2);
  await rounds.endIfDue(2 * EVERY, false);
  expect(told).toEqual([[[0, [300, 1.5]]], [[0, [50, 2]]]]);
});

test("a checkpoint in the midst of a round has what all peers have: parameters, momentum, place", async () => {
  const folder = mkdtempSync(join(tmpdir(), "weft-rounds-"));
  try {
    const { parameters, sgd, rounds, values } = peer(["1"]);
    rounds.begin(8);
    rounds.goesOn(8, () => sampleRecord(8));
    device.write(values, filled(0.25));
    rounds.goesOn(9, () => sampleRecord(9));
    expect(rounds.underWay(8)).toBeUndefined();
    const began = rounds.underWay(10);
    expect(began?.num_updates).toBe(8);
    device.write(sgd.momentum.segments[0], filled(3));
    const trainer = {
      ...{ updates: 10, average: undefined },
      options: { device, parameters, optimizer: { state: new Map() } },
    } as unknown as Trainer;
    const outer = { momentum: sgd.momentum, anchor: sgd.anchor };
    const path = join(folder, "checkpoint_last.safetensors");
    await writeCheckpoint(path, snapshot(trainer, began ?? sampleRecord(10), true, outer));

    const file = openCheckpoint(path);
    expect(file.record.num_updates).toBe(8);
    expect(toFloat32(file.parameter("w"))).toEqual(filled(1));
    device.write(sgd.momentum.segments[0], filled(0));
    restoreTensors(trainer, file, path, { optimizer: true, outerMomentum: sgd.momentum });
    file.close();
    expect(await device.read(sgd.momentum.segments[0])).toEqual(filled(3));
    expect(await device.read(values)).toEqual(filled(1));
    // At the round's end everybody's parameters are the common ones.
    rounds.begin(12);
    expect(rounds.underWay(12)).toBeUndefined();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
