// Training by several peers against fairseq's by several workers, update by update.
import { expect } from "bun:test";
import { codecBytes } from "../../cluster/collective/codec.ts";
import { scratchBytes } from "../../cluster/collective/reduction_memory.ts";
import { Cluster } from "../../cluster/peer/cluster.ts";
import { GroupedIterator } from "../../src/data/counting_iterator.ts";
import { EpochBatchIterator } from "../../src/data/epoch_iterator.ts";
import { openCpuDevice } from "../../src/device/cpu/cpu_device.ts";
import { Company } from "../../src/train/company.ts";
import { PeerMemory } from "../../src/train/peer_memory.ts";
import type { Trainer } from "../../src/train/trainer.ts";
import { goldenTest, readGolden } from "../support/golden.ts";
import { expectParameters, flag, goldenBatches, trainerFor } from "./golden_trainer.ts";

interface Update {
  readonly epoch: number;
  readonly lr: number;
  readonly sample_size: number;
  readonly gnorm: number;
  readonly clip: number;
  /** Of all workers together; of one process, of each micro-batch. */
  readonly sum: readonly { readonly loss: number }[];
}

interface Record_ {
  readonly args: readonly string[];
  readonly workers: number;
  readonly update_freq: number;
  readonly initial_weights: string;
  readonly ranks: readonly { readonly updates: readonly Update[] }[];
  readonly one_process: { readonly updates: readonly Update[] };
}

/** A peer of this process, with a device and a communication thread of its own. */
interface Peer {
  readonly trainer: Trainer;
  readonly cluster: Cluster;
  close(): Promise<void>;
}

/** Trainers that exchange what they compute over connections, in float32. */
async function openPeers({ args, workers: size, initial_weights }: Record_): Promise<Peer[]> {
  const opened = await Promise.all(
    Array.from({ length: size }, async () => {
      const device = await openCpuDevice({ threads: 1, blas: "none" });
      const cluster = Cluster.open(() => undefined);
      const own = await cluster.listen({ host: "127.0.0.1", port: 0 }, { kind: "plain" });
      return { device, cluster, own };
    }),
  );
  const addresses = opened.map(({ own }, rank) => [rank, own] as const);
  const peers = opened.map(({ device, cluster, own }, rank) => {
    const trainer = trainerFor(device, args, initial_weights.replace("runs/", "training/runs/"));
    const { parameters, optimizer } = trainer.options;
    const memory = new PeerMemory({
      ...{ device, microBatches: 0, gradients: parameters },
      common: parameters.segments.map(({ values }) => values),
      others: [...optimizer.state.values()].flatMap(({ segments }) => segments),
      scratchBytes: (gradients) => scratchBytes(gradients, codecBytes("f32"), size, 0),
    });
    trainer.trainWith(cluster, memory, undefined);
    cluster.start({
      settings: {
        ...{ rank, size, job: "golden", joining: false, wire: "f32", fence: undefined },
        ...{
          incarnation: rank,
          patience: 20_000,
          hangsAfter: 600_000,
          counts: "update",
          agreement: {},
        },
      },
      ...{ numbers: memory.numbers, step: 0, own, addresses, startTimeout: 20 },
    });
    const close = async (): Promise<void> => {
      await cluster.leave("done");
      trainer.release();
      await device.close();
    };
    return { trainer, cluster, close };
  });
  const never = async (): Promise<never> => {
    throw new Error("nobody comes, nobody goes");
  };
  const hospitality = { record: never, restore: never, suspended: never };
  await Promise.all(peers.map(({ cluster }) => new Company(cluster).meet(hospitality)));
  return peers;
}

/**
 * What the workers did; from the first update on in which fairseq forgets what it counted, what one
 * process did: a worker whose last micro-batch is a filler loses the sizes of those before it.
 */
function rightUpdates({ ranks, one_process }: Record_): readonly Update[] {
  const { updates } = ranks[0];
  const wrong = updates.findIndex(
    ({ sample_size }, i) => sample_size !== one_process.updates[i].sample_size,
  );
  return wrong < 0 ? updates : [...updates.slice(0, wrong), ...one_process.updates.slice(wrong)];
}

/** @param drift how far fairseq's own final parameters are from the right ones. */
async function follow(name: string, drift: number): Promise<void> {
  const record = readGolden<Record_>(`training/runs/g-workers/record.${name}.json`);
  const { args, workers: numShards, update_freq } = record;
  const seed = Number(flag(args, "--seed", "1"));
  const { batches, collate } = goldenBatches(args, "train");
  const iterator = EpochBatchIterator.rounds({ batches, seed, numShards });
  const wanted = [...rightUpdates(record)];
  const peers = await openPeers(record);
  try {
    while (wanted.length > 0) {
      for (const group of new GroupedIterator(iterator.nextEpoch(), update_freq)) {
        const want = wanted.shift();
        if (!want) break;
        const batch = { microBatches: group.flat(), collate };
        const reports = await Promise.all(
          peers.map(({ trainer }) => trainer.update(batch, want.epoch)),
        );
        const [{ sums, gradientNorm, lr, clipped }] = reports;
        for (const other of reports) expect(other).toEqual(reports[0]);
        expect(lr).toBeCloseTo(want.lr, 12);
        expect(sums.sampleSize).toBe(want.sample_size);
        expect(clipped).toBe(want.clip === 100);
        const loss = want.sum.reduce((sum, each) => sum + each.loss, 0);
        expect(Math.abs(sums.losses.loss / loss - 1)).toBeLessThan(1e-6);
        expect(Math.abs(gradientNorm / want.gnorm - 1)).toBeLessThan(4e-6);
      }
    }
    for (const { trainer } of peers) {
      await expectParameters(trainer, `training/runs/g-workers/final.${name}.safetensors`, drift);
    }
  } finally {
    await Promise.all(peers.map((peer) => peer.close()));
  }
}

for (const [name, workers, drift] of [
  ["2x1", "two workers", 1e-5],
  ["2x2", "two workers with --update-freq 2", 4e-4],
  ["3x1", "three workers", 1e-5],
] as const) {
  goldenTest(`peers follow fairseq's run of ${workers}`, "training/runs/g-workers", () =>
    follow(name, drift),
  );
}
