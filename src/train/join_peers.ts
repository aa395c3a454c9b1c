// How a training run becomes one of a cluster's: its numbers in reach of the others, its state for newcomers.
import { codecBytes } from "../../cluster/collective/codec.ts";
import { scratchBytes } from "../../cluster/collective/reduction_memory.ts";
import type { CheckpointConfig } from "../config/schemas/checkpoint.ts";
import type { ClusterConfig } from "../config/schemas/cluster.ts";
import type { EpochIteratorState } from "../data/epoch_iterator.ts";
import { agreementOf } from "./agreement.ts";
import type { BatchSource } from "./batch_source.ts";
import { parseRecord, stringifyRecord } from "./checkpoint_record.ts";
import type { Company } from "./company.ts";
import { fromExactJson, toExactJson } from "./exact_json.ts";
import { LocalSgd } from "./local_sgd.ts";
import type { Meeting } from "./meet_peers.ts";
import type { TrainingMetrics } from "./metrics.ts";
import { type ExchangeRoom, PeerMemory } from "./peer_memory.ts";
import { Rounds } from "./rounds.ts";
import { type RunIdentity, restoreRecord } from "./run_record.ts";
import type { RunState } from "./run_state.ts";
import type { Trainer } from "./trainer.ts";
import type { TrainingRun } from "./training_run.ts";

export interface JoinParts {
  readonly company: Company;
  readonly trainer: Trainer;
  readonly batches: BatchSource;
  readonly metrics: TrainingMetrics;
  readonly identity: RunIdentity;
  readonly run: TrainingRun;
  readonly checkpoint: CheckpointConfig;
  /** If peers train in rounds. */
  readonly sgd: LocalSgd | undefined;
  /** The epoch that this process would go on with. */
  readonly epoch: number;
  /** Batches of one shard that make an update, by epoch. */
  readonly updateFreq: readonly number[];
  readonly say: (line: string) => void;
}

/** The outer step of a run in rounds; undefined if peers make every update together. */
export function outerStep(trainer: Trainer, config: ClusterConfig): LocalSgd | undefined {
  const { sync_every: every, outer_lr: outerLr, outer_momentum: outerMomentum } = config;
  const { device, parameters } = trainer.options;
  return every > 1
    ? new LocalSgd({ device, parameters, every, outerLr, outerMomentum })
    : undefined;
}

/** What a newcomer is told besides numbers. */
interface Handover {
  readonly record: string;
  /** In the middle of a round, the run as it was when that began. */
  readonly began: string | null;
  readonly pending: RunState["pending"] | null;
  /** Whether training begins for all: nobody is in the middle of a round. */
  readonly isBeginning: boolean;
}

/**
 * Waits until all peers are there, and takes over the state of those who are further.
 *
 * @returns the epoch to go on with, if a state was taken over.
 * @throws UserError if the peers cannot train together, naming the one that differs.
 */
export async function joinPeers(meeting: Meeting, parts: JoinParts): Promise<number | undefined> {
  const { trainer, run, batches, company, sgd } = parts;
  const { cluster, config, own, addresses, job, rank, size } = meeting;
  const { device, parameters, optimizer } = trainer.options;
  const states = [...optimizer.state.values(), ...(trainer.average ? [trainer.average] : [])];
  const codec = codecBytes(config.wire);
  const peers = Math.max(config.max_peers, size);
  // Those who have made more updates may know better: see `restore`.
  const contributions = (): number =>
    config.reproducible ? batches.shards * Math.max(...parts.updateFreq) : 0;
  const memory = new PeerMemory({
    ...{ device, microBatches: contributions(), gradients: parameters },
    // Between two exchanges only the beginning of the round is common to all.
    common: sgd ? sgd.anchor.segments : parameters.segments.map(({ values }) => values),
    others: (sgd ? [sgd.momentum, ...states] : states).flatMap(({ segments }) => segments),
    scratchBytes: (gradients, count) => scratchBytes(gradients, codec, peers, count),
  });
  announceScratch(memory.numbers, parts.say);
  const rounds = sgd && new Rounds({ sgd, peers: cluster, memory, company, say: parts.say });
  trainer.trainWith(cluster, memory, rounds);
  run.rounds = rounds;
  let isBeginning = true;
  // What others fetch of this peer, and compare, is where a round begins.
  sgd?.begin();
  cluster.start({
    settings: {
      ...{ rank, size, job, joining: config.join, wire: config.wire, fence: config.fence },
      incarnation: Math.floor(Math.random() * 2 ** 48),
      counts: sgd ? "round" : "update",
      patience: config.peer_timeout * 1000,
      hangsAfter: config.hang_timeout * 1000,
      agreement: agreementOf(parts.identity, config, parameters.elements),
    },
    numbers: memory.numbers,
    // What is exchanged are updates, or rounds of them.
    step: sgd ? Math.floor(trainer.updates / config.sync_every) : trainer.updates,
    ...{ own, addresses, startTimeout: config.start_timeout },
  });
  const epoch = await company.meet({
    async record() {
      await memory.stateOut();
      const began = rounds?.underWay(trainer.updates) ?? null;
      const handover: Handover = {
        record: stringifyRecord(run.record(parts.epoch)),
        began: began && stringifyRecord(began),
        pending: run.state.pending ?? null,
        isBeginning,
      };
      return toExactJson(handover);
    },
    async restore(text) {
      memory.stateIn();
      const handover = fromExactJson(text) as Handover;
      const restored = restore(handover, parts);
      // Where this one knew only how many peers there are, an update may turn out to have more batches.
      const room = memory.makeRoom(contributions());
      if (room) {
        announceScratch(room, parts.say);
        cluster.useRoom(room);
      }
      const began = handover.began === null ? undefined : parseRecord(handover.began, PLACE);
      rounds?.takeOver(trainer.updates, began);
      if (handover.isBeginning) rounds?.begin(trainer.updates);
      return restored;
    },
    suspended: async () => await saveAside(rank, parts),
  });
  if (epoch === undefined) rounds?.begin(trainer.updates);
  isBeginning = false;
  return epoch;
}

/** The handover's, for errors. */
const PLACE = "the other peers' state";

/** Bytes of the exchange's own memory that are worth a line. */
const MUCH = 2 ** 28;

/** Each micro-batch's gradients lie there until they are summed: of two peers each keeps half of all. */
function announceScratch(
  { microBatches, scratch }: ExchangeRoom,
  say: (line: string) => void,
): void {
  if (microBatches === 0 || scratch.bytes < MUCH) return;
  const mib = (scratch.bytes / 2 ** 20).toFixed(0);
  say(
    `--reproducible sets ${mib} MiB aside, for half the gradients of each of the ` +
      `${microBatches} batches of an update`,
  );
}

function restore(handover: Handover, parts: JoinParts): number {
  const { identity, trainer, metrics, run, batches, checkpoint, say } = parts;
  const record = parseRecord(handover.record, PLACE);
  const none = { dataloader: false, lrScheduler: false, meters: false, optimizer: false };
  restoreRecord(record, PLACE, none, {
    ...{ identity, trainer, metrics, run: run.state },
    metric: checkpoint.best_checkpoint_metric,
    resume: (iterator) => batches.resume(iterator),
  });
  run.state.pending = handover.pending ?? undefined;
  run.state.position = record.iterator as unknown as EpochIteratorState;
  run.state.validated = record.valid_value ?? undefined;
  say(`took over the other peers' state: ${trainer.updates} updates`);
  return Number(record.iterator.epoch);
}

/** Cut off from the others, this peer saves what it has, under a name that is nobody else's. */
async function saveAside(rank: number, { run, checkpoint, say }: JoinParts): Promise<void> {
  if (checkpoint.no_save) return;
  const name = `checkpoint_suspended_${rank}${checkpoint.checkpoint_suffix}.safetensors`;
  await run.saveAs(name);
  say(`saved ${name} in ${checkpoint.save_dir}`);
}
