// How a training run becomes one of a cluster's: its numbers in reach of the others, its state for newcomers.
import { codecBytes } from "../../cluster/collective/codec.ts";
import { scratchBytes } from "../../cluster/collective/direct_reduction.ts";
import type { CheckpointConfig } from "../config/schemas/checkpoint.ts";
import { agreementOf } from "./agreement.ts";
import type { BatchSource } from "./batch_source.ts";
import { parseRecord, stringifyRecord } from "./checkpoint_record.ts";
import type { Company } from "./company.ts";
import type { Meeting } from "./meet_peers.ts";
import type { TrainingMetrics } from "./metrics.ts";
import { PeerMemory } from "./peer_memory.ts";
import { type RunIdentity, restoreRecord, runRecord } from "./run_record.ts";
import type { Trainer } from "./trainer.ts";
import type { RunState, TrainingRun } from "./training_run.ts";

export interface JoinParts {
  readonly company: Company;
  readonly trainer: Trainer;
  readonly batches: BatchSource;
  readonly metrics: TrainingMetrics;
  readonly identity: RunIdentity;
  readonly run: TrainingRun;
  readonly checkpoint: CheckpointConfig;
  readonly say: (line: string) => void;
}

/** What a newcomer is told besides numbers. */
interface Handover {
  readonly record: string;
  readonly pending: RunState["pending"] | null;
}

/**
 * Waits until all peers are there, and takes over the state of those who are further.
 *
 * @returns the epoch to go on with, if a state was taken over.
 * @throws UserError if the peers cannot train together, naming the one that differs.
 */
export async function joinPeers(meeting: Meeting, parts: JoinParts): Promise<number | undefined> {
  const { trainer, run, batches, company } = parts;
  const { cluster, config, own, addresses, job, rank, size } = meeting;
  const { device, parameters, optimizer } = trainer.options;
  const states = [...optimizer.state.values(), ...(trainer.average ? [trainer.average] : [])];
  const codec = codecBytes(config.wire);
  const peers = Math.max(config.max_peers, size);
  const memory = new PeerMemory({
    ...{ device, parameters, states },
    scratchBytes: (gradients) => scratchBytes(gradients, codec, peers),
  });
  trainer.trainWith(cluster, memory);
  cluster.start({
    settings: {
      ...{ rank, size, job, joining: config.join, wire: config.wire, fence: config.fence },
      incarnation: Math.floor(Math.random() * 2 ** 48),
      patience: config.peer_timeout * 1000,
      agreement: agreementOf(parts.identity, config, parameters.elements),
    },
    numbers: memory.numbers,
    step: trainer.updates,
    ...{ own, addresses, startTimeout: config.start_timeout },
  });
  return await company.meet({
    async record() {
      await memory.stateOut();
      const handover: Handover = {
        record: stringifyRecord(recordOf(parts)),
        pending: run.state.pending ?? null,
      };
      return JSON.stringify(handover);
    },
    async restore(text) {
      memory.stateIn();
      return restore(JSON.parse(text) as Handover, parts);
    },
    suspended: async () => await saveAside(rank, parts),
  });

  function recordOf({ identity, metrics, checkpoint }: JoinParts) {
    const { best_checkpoint_metric: metric } = checkpoint;
    const position = run.state.position ?? batches.epochs(1).state();
    return runRecord(identity, trainer, metrics, run.state, position, metric);
  }
}

function restore(handover: Handover, parts: JoinParts): number {
  const { identity, trainer, metrics, run, batches, checkpoint, say } = parts;
  const record = parseRecord(handover.record, "the other peers' state");
  const none = { dataloader: false, lrScheduler: false, meters: false, optimizer: false };
  restoreRecord(record, "the other peers' state", none, {
    ...{ identity, trainer, metrics, run: run.state },
    metric: checkpoint.best_checkpoint_metric,
    resume: (iterator) => batches.resume(iterator),
  });
  run.state.pending = handover.pending ?? undefined;
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
