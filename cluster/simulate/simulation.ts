// A run of a simulated job: how long updates last, and what failures cost. Where nothing happens but one
// update like the others, time is skipped: as many updates as fit before the next failure or return are
// counted, and not simulated.
import { NumpyRandom } from "../../src/data/numpy_random.ts";
import type { ExchangeStats } from "../peer/protocol.ts";
import type { NetworkOptions } from "./network.ts";
import { SimulatedCluster } from "./simulated_cluster.ts";
import { VirtualTime } from "./virtual_time.ts";
import type { Workload } from "./workload.ts";

export interface SimulationOptions {
  readonly peers: number;
  readonly workload: Workload;
  readonly network: NetworkOptions;
  /** Updates that are measured, after one that is not. */
  readonly updates: number;
  readonly failures: {
    /** Failures to simulate, and how many there are per hour, of all peers together. */
    readonly count: number;
    readonly perHour: number;
    /** Share of them that nobody is told of: a machine that loses its power. */
    readonly silent: number;
    /** Seconds after which a process is there again. */
    readonly restart: number;
    /** Seconds after which a silent peer is held to be dead. */
    readonly patience: number;
  };
  readonly seed: number;
}

export interface SimulationResult {
  /** Seconds of an update, in the mean of all that were measured. */
  readonly update: number;
  /** Seconds of it that a peer computes, in the mean. */
  readonly compute: number;
  /** Share of the exchange's time that fell into the backward pass, in the mean of all peers. */
  readonly hidden: number;
  /** Bytes of gradients that a peer sends for an update, in the mean. */
  readonly sent: number;
  /** Failures that were survived, and the hours in which they happened. */
  readonly failures: number;
  readonly hours: number;
  /** Updates made in these. */
  readonly made: number;
  /** Seconds that a failure costs: of all the time, what the updates made would not have taken. */
  readonly lost: number;
}

/** Updates of a view after which the next ones are taken to last as long, if times do not vary. */
const ALIKE = 2;

interface Outside {
  readonly time: number;
  readonly action: () => void;
}

export class Simulation {
  private readonly time = new VirtualTime();
  private readonly random: NumpyRandom;
  private readonly cluster: SimulatedCluster;
  /** Failures and returns, by the time that counts what was skipped. */
  private readonly outside: Outside[] = [];
  private skipped = 0;
  private updates = 0;
  /** When each update of the present view was made, by the first of its members that lives. */
  private made: number[] = [];
  private computed = { seconds: 0, count: 0 };
  private exchanged = { lasted: 0, exposed: 0, sent: 0, count: 0 };
  private failed = 0;
  private planned = 0;

  constructor(private readonly options: SimulationOptions) {
    const { peers, workload, network, failures, seed } = options;
    this.random = new NumpyRandom(seed);
    this.cluster = new SimulatedCluster(
      this.time,
      {
        ...{ peers, workload, network, patience: failures.patience },
        microBatch: () => this.drawMicroBatch(),
      },
      {
        assembled: (rank) => this.assembled(rank),
        updated: (rank, stats) => this.updated(rank, stats),
      },
    );
  }

  run(): SimulationResult {
    const { updates, failures } = this.options;
    this.cluster.begin(failures.count > 0);
    while (this.made.length <= updates) this.step();
    const update = (this.made[updates] - this.made[0]) / updates;
    const { computed, exchanged } = this;
    const measured = {
      ...{
        update,
        compute: (computed.seconds / computed.count) * this.options.workload.updateFreq,
      },
      hidden: exchanged.lasted > 0 ? 1 - exchanged.exposed / exchanged.lasted : 1,
      sent: exchanged.sent / exchanged.count,
    };
    return { ...measured, ...this.runFailures(update) };
  }

  /** Lets peers fail, and come back, until all that were to have done so. */
  private runFailures(
    update: number,
  ): Pick<SimulationResult, "failures" | "hours" | "made" | "lost"> {
    const { count } = this.options.failures;
    if (count === 0) return { failures: 0, hours: 0, made: 0, lost: 0 };
    const [began, updates] = [this.clock, this.updates];
    this.planFailure();
    while (this.failed < count || this.outside.length > 0 || !this.isWhole) {
      const next = this.outside[0];
      if (next && this.time.next > next.time - this.skipped) {
        this.outside.shift();
        this.time.at(next.time - this.skipped, next.action);
      }
      this.step();
      this.skip();
    }
    const lasted = this.clock - began;
    const made = this.updates - updates;
    const lost = (lasted - made * update) / this.failed;
    return { failures: this.failed, hours: lasted / 3600, made, lost };
  }

  /** Seconds, those that were skipped included. */
  private get clock(): number {
    return this.time.now + this.skipped;
  }

  /** Whether all peers are there and have made an update together. */
  private get isWhole(): boolean {
    const { cluster, options, made } = this;
    return made.length > 0 && cluster.living().length === options.peers && cluster.isSettled;
  }

  private step(): void {
    if (!this.time.step()) throw new Error("simulation: the job stands still");
  }

  /** Counts updates until just before the next thing that happens from outside. */
  private skip(): void {
    const { spread } = this.options.workload;
    const { made } = this;
    const alike = spread > 0 ? 4 * ALIKE : ALIKE;
    if (made.length <= alike || this.time.now !== made.at(-1)) return;
    const lasts = (made[made.length - 1] - made[made.length - 1 - alike]) / alike;
    const [next] = this.outside;
    if (!next || !this.cluster.isSettled) return;
    const count = Math.floor((next.time - this.clock) / lasts) - 1;
    if (count <= 0) return;
    this.skipped += count * lasts;
    this.updates += count;
  }

  private planFailure(): void {
    const { perHour, count } = this.options.failures;
    if (this.failed + this.planned >= count) return;
    const wait = (-Math.log(1 - this.random.random()) * 3600) / perHour;
    this.planned++;
    this.plan(this.clock + wait, () => {
      this.planned--;
      this.fail();
      this.planFailure();
    });
  }

  private fail(): void {
    const { cluster, random, options } = this;
    const { silent, restart } = options.failures;
    const living = cluster.living();
    // A job whose last process dies begins again at its checkpoint.
    if (living.length < 2) return;
    const { rank } = living[random.randint(0, living.length)];
    this.failed++;
    cluster.kill(rank, random.random() < silent);
    this.plan(this.clock + restart, () => cluster.start(rank));
  }

  private plan(time: number, action: () => void): void {
    this.outside.push({ time, action });
    this.outside.sort((a, b) => a.time - b.time);
  }

  private assembled(rank: number): void {
    if (this.cluster.isFirst(rank)) this.made = [];
  }

  private updated(rank: number, { lasted, exposed, sent }: ExchangeStats): void {
    if (this.failed === 0 && this.made.length > 0) {
      const { exchanged } = this;
      exchanged.lasted += lasted;
      exchanged.exposed += exposed;
      exchanged.sent += sent;
      exchanged.count++;
    }
    if (!this.cluster.isFirst(rank)) return;
    this.made.push(this.time.now);
    this.updates++;
  }

  private drawMicroBatch(): number {
    const { random, computed, options } = this;
    const { compute, updateFreq, spread } = options.workload;
    const mean = compute / updateFreq;
    const normal =
      spread === 0
        ? 0
        : Math.sqrt(-2 * Math.log(1 - random.random())) * Math.cos(2 * Math.PI * random.random());
    // Log-normal: never negative, and with this mean.
    const sigma = Math.sqrt(Math.log(1 + spread * spread));
    const lasts = mean * Math.exp(sigma * normal - (sigma * sigma) / 2);
    computed.seconds += lasts;
    computed.count++;
    return lasts;
  }
}
