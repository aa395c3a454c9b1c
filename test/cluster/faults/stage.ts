// What a scenario plays on: data, folders, undisturbed trainings to compare with, and an end of all
// processes whatever happens.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { distance, gapsOf, strayUpdates } from "./compare.ts";
import { Job, type JobOptions } from "./job.ts";
import type { LoggedUpdate, PeerProcess } from "./peer_process.ts";
import { makeToyData } from "./toy_data.ts";

/** An undisturbed training. */
export interface Reference {
  readonly folder: string;
  readonly logged: readonly LoggedUpdate[];
}

/** What may differ where an update's batches were not added in the order in which they always are. */
export const ROUNDING = { losses: 0.02, tensors: 0.02 };

type Setting = Partial<Omit<JobOptions, "folder" | "data">>;

/** Enough for a fault and what follows it. */
const UPDATES = 200;

export class Stage {
  private readonly folder = mkdtempSync(join(tmpdir(), "weft-faults-"));
  readonly data = makeToyData(this.folder);
  private readonly references = new Map<string, Promise<Reference>>();
  private jobs: Job[] = [];
  private made = 0;

  /** Options of a job, with a folder of its own. */
  options(setting: Setting): JobOptions {
    const folder = this.newFolder("job");
    const { data } = this;
    return { folder, data, peers: 4, updates: UPDATES, shards: 2, ...setting };
  }

  /** Starts all peers of a job; by default 4, and 2 batches for an update. */
  async begin(setting: Setting): Promise<Job> {
    const job = await Job.begin(this.options(setting));
    this.jobs.push(job);
    return job;
  }

  /** A job of which nothing runs yet. */
  async prepare(setting: Setting): Promise<Job> {
    const job = await Job.prepare(this.options(setting));
    this.jobs.push(job);
    return job;
  }

  newFolder(name: string): string {
    const folder = join(this.folder, `${name}${this.made++}`);
    mkdirSync(folder);
    return folder;
  }

  /** What `shards` peers come to that nothing disturbs: each computes one batch of every update. */
  reference(updates: number, shards: number): Promise<Reference> {
    const key = `${updates} ${shards}`;
    const known = this.references.get(key) ?? this.train(updates, shards);
    this.references.set(key, known);
    return known;
  }

  /**
   * Waits until all who live are done, and compares what they did with an undisturbed training.
   *
   * @param writer the rank that saved last. @param isExact whether all must be equal to the bit: so it is
   * as long as no peer has computed two batches of an update, which would be added in another order.
   * @returns words about it. @throws if an update was lost or made twice, or its batch was another one.
   */
  async judge(job: Job, { writer = 0, isExact = true } = {}): Promise<string> {
    await job.finish();
    check(job.peer(writer).update === job.options.updates, `the end is not reached\n${job.log}`);
    const { updates, shards = job.options.peers } = job.options;
    const { folder, logged } = await this.reference(updates, shards);
    const tolerance = isExact ? 0 : ROUNDING.losses;
    const wrong = job.processes.flatMap((peer) => [
      ...gapsOf(peer),
      ...strayUpdates(peer, logged, tolerance),
    ]);
    if (wrong.length > 0) throw new Error(`${wrong.slice(0, 5).join("\n")}\n${job.log}`);
    const apart = distance(folder, job.folderOf(writer));
    if (isExact && apart.isWholeEqual) return "equal to the bit";
    if (isExact || apart.tensors > ROUNDING.tensors) {
      throw new Error(`the end differs by ${apart.tensors}\n${job.log}`);
    }
    return `equal but for ${apart.tensors.toExponential(0)}`;
  }

  /** What all processes said that were begun since the last call of `clear`. */
  get log(): string {
    return this.jobs.map(({ log }) => log).join("\n");
  }

  /** Ends everything that was begun since the last call. */
  async clear(): Promise<void> {
    await Promise.all(this.jobs.map((job) => job.close()));
    this.jobs = [];
  }

  async close(): Promise<void> {
    await this.clear();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async train(updates: number, shards: number): Promise<Reference> {
    const options = { peers: shards, updates, shards, pace: 0, timeout: 10 };
    const job = await Job.begin(this.options(options));
    try {
      await job.finish();
      return { folder: job.folderOf(0), logged: job.peer(0).logged };
    } finally {
      await job.close();
    }
  }
}

/**
 * Waits until peers go on after a fault.
 *
 * @param at when it happened. @returns milliseconds from then to an update that all of them have made
 * with exactly these members.
 */
export async function goOn(job: Job, ranks: readonly number[], at: number): Promise<number> {
  const members = new RegExp(`generation \\d+: ranks ${ranks.join(", ")} go on`);
  const times = ranks.map(async (rank) => {
    const peer = job.peer(rank);
    const since = await peer.sees(members, at);
    const made = await firstSince(peer, since.at);
    return made - at;
  });
  return Math.max(...(await Promise.all(times)));
}

async function firstSince(peer: PeerProcess, since: number): Promise<number> {
  const found = peer.made.find(({ at }) => at >= since);
  return (found ?? (await peer.makesOneMore())).at;
}

/** "12 ms" */
export const ms = (milliseconds: number): string => `${milliseconds.toFixed(0)} ms`;

export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

export function check(condition: boolean, complaint: string): asserts condition {
  if (!condition) throw new Error(complaint);
}
