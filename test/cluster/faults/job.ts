// A cluster of real processes on this machine.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { freePort } from "../rendezvous/peers.ts";
import { PeerProcess } from "./peer_process.ts";
import { trainFlags } from "./toy_data.ts";

export interface JobOptions {
  /** Belongs to this job alone. */
  readonly folder: string;
  readonly data: string;
  readonly peers: number;
  /** Updates of the whole training. */
  readonly updates: number;
  /** Batches of one update; unset: as many as there are peers, or as a checkpoint says. */
  readonly shards: number | undefined;
  /** Milliseconds that each update takes at least, until `finish`. */
  readonly pace?: number;
  /** Seconds after which a silent peer is expelled. */
  readonly timeout?: number;
  readonly flags?: readonly string[];
  /** Addresses of all ranks, where they are not ports of this machine. */
  readonly addresses?: readonly string[];
  /** Words before each peer's command. */
  readonly prefix?: (rank: number) => readonly string[];
}

/** What a single peer is given besides. */
export interface PeerOptions {
  readonly flags?: readonly string[];
  readonly pace?: number;
  /** As `JobOptions.addresses`, of this peer alone. */
  readonly addresses?: readonly string[];
  /** A folder for checkpoints other than its own one. */
  readonly saveDir?: string;
  readonly data?: string;
}

/** Further flags of every job, from whoever runs the tests: --reproducible, say. */
const furtherFlags = (process.env.WEFT_FAULT_FLAGS ?? "").split(" ").filter(Boolean);

export class Job {
  /** All processes that there were, the dead ones too. */
  readonly processes: PeerProcess[] = [];
  readonly addresses: readonly string[];
  private readonly hurrying: string;

  private constructor(
    readonly options: JobOptions,
    addresses: readonly string[],
  ) {
    this.addresses = addresses;
    this.hurrying = join(options.folder, "hurry");
    mkdirSync(options.folder, { recursive: true });
  }

  /** Nothing runs yet. */
  static async prepare(options: JobOptions): Promise<Job> {
    const addresses = options.addresses ?? (await freeAddresses(options.peers));
    return new Job(options, addresses);
  }

  /** All peers run. */
  static async begin(options: JobOptions): Promise<Job> {
    const job = await Job.prepare(options);
    for (let rank = 0; rank < options.peers; rank++) job.start(rank);
    return job;
  }

  /** Starts a peer; again, if it had been ended. */
  start(rank: number, peer: PeerOptions = {}): PeerProcess {
    const { options, hurrying } = this;
    const addresses = peer.addresses ?? this.addresses;
    const args = [
      ...["train", peer.data ?? options.data, ...trainFlags],
      ...["--max-update", `${options.updates}`],
      ...(options.shards === undefined ? [] : ["--batch-shards", `${options.shards}`]),
      ...["--wire=f32", "--peer-timeout", `${options.timeout ?? 2}`],
      ...["--save-dir", peer.saveDir ?? this.folderOf(rank)],
      ...["--peers", addresses.join(","), "--rank", `${rank}`],
      ...[...(options.flags ?? []), ...furtherFlags, ...(peer.flags ?? [])],
    ];
    const pace = `${peer.pace ?? options.pace ?? 25}`;
    const started = new PeerProcess(rank, args, {
      env: { WEFT_PACE: pace, WEFT_HURRY: hurrying, WEFT_PACED_RANK: `${rank}` },
      prefix: options.prefix?.(rank),
    });
    this.processes.push(started);
    return started;
  }

  /** Its training stands still from its next update on, for ever. */
  hang(rank: number): void {
    writeFileSync(`${this.hurrying}-hang${rank}`, "");
  }

  /** Whether sums do not depend on who computes what. */
  get isReproducible(): boolean {
    return [...(this.options.flags ?? []), ...furtherFlags].includes("--reproducible");
  }

  /** Where a peer's checkpoints are, on "its disk". */
  folderOf(rank: number): string {
    return join(this.options.folder, `disk${rank}`);
  }

  /** The present process of a rank. */
  peer(rank: number): PeerProcess {
    const found = this.processes.findLast((each) => each.rank === rank);
    if (!found) throw new Error(`rank ${rank} was never started`);
    return found;
  }

  /** Processes that have not ended. */
  get living(): PeerProcess[] {
    return this.processes.filter(({ isOver }) => !isOver);
  }

  /** Waits until all who live have ended well; nothing is to be seen any more, so they need not take their time. */
  async finish(): Promise<void> {
    writeFileSync(this.hurrying, "");
    const codes = await Promise.all(
      this.living.map(async (peer) => [peer, await peer.end()] as const),
    );
    for (const [peer, code] of codes) {
      if (code !== 0) throw new Error(`exit code ${code}\n${peer.log}`);
    }
  }

  /** What all said, for failures. */
  get log(): string {
    return this.processes.map(({ log }) => log).join("\n");
  }

  /** Ends whatever still runs. */
  async close(): Promise<void> {
    for (const peer of this.living) {
      peer.signal("SIGCONT");
      await peer.kill();
    }
  }
}

/** So many ports of this machine that are free now. */
export async function freeAddresses(count: number): Promise<string[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports].map((port) => `127.0.0.1:${port}`);
}
