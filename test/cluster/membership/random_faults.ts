// What is done to a model cluster: at random, but never so much that nobody is left who could go on.
import type { ModelCluster } from "./model_cluster.ts";
import type { Process } from "./process.ts";

/** Milliseconds in which faults happen. */
export const TROUBLED = 6000;

/** Ranks that may come late. */
const GUESTS = 2;

export class RandomFaults {
  /** Faults and recoveries that are still to come. */
  private awaited = 0;

  /** @param count of faults. */
  constructor(
    private readonly cluster: ModelCluster,
    count: number,
  ) {
    const { random } = cluster;
    let time = 0;
    for (let i = 0; i < count; i++) {
      // Troubles do not come alone: what follows a fault at once finds peers in the midst of a change.
      const isAtOnce = random.random() < 0.5;
      time = isAtOnce ? time + random.uniform(0, 300) : random.uniform(0, TROUBLED);
      this.after(time, () => this.doSomething());
    }
    this.after(TROUBLED, () => this.healAll());
  }

  get areOver(): boolean {
    return this.awaited === 0;
  }

  private after(delay: number, action: () => void): void {
    this.awaited++;
    this.cluster.network.time.after(delay, () => {
      this.awaited--;
      action();
    });
  }

  private doSomething(): void {
    const { random, options } = this.cluster;
    const guest = options.size + random.randint(0, GUESTS);
    const faults: readonly (() => void)[] = [
      () => this.crash(this.anyone()),
      () => this.crash(this.anyone()),
      () => this.pause(this.anyone()),
      () => this.break(this.anyone(), this.anyone()),
      () => this.divide(),
      () => this.leave(this.anyone()),
      () => this.cluster.start(guest),
    ];
    faults[random.randint(0, faults.length)]();
  }

  private anyone(): Process {
    const { processes, random } = this.cluster;
    return processes[random.randint(0, processes.length)];
  }

  private crash(process: Process): void {
    const { cluster } = this;
    if (!cluster.canSpare(process)) return;
    cluster.say(process.rank, "is killed");
    cluster.network.kill(process);
    this.restart(process.rank);
  }

  private leave(process: Process): void {
    const { cluster } = this;
    const { network } = cluster;
    if (process.isPaused || !cluster.canSpare(process)) return;
    cluster.say(process.rank, "leaves");
    for (const rank of process.connections.keys()) {
      network.send(process, rank, process.peer.membership.farewell("done"));
    }
    network.retire(process);
    this.restart(process.rank);
  }

  private restart(rank: number): void {
    const { random } = this.cluster;
    this.after(random.uniform(50, 3000), () => this.cluster.start(rank));
  }

  private pause(process: Process): void {
    const { cluster } = this;
    const { network, random } = cluster;
    if (process.isPaused) return;
    cluster.say(process.rank, "stands still");
    network.pause(process);
    this.after(random.uniform(100, 4000), () => {
      cluster.say(process.rank, "goes on");
      network.resume(process);
    });
  }

  private break(a: Process, b: Process): void {
    if (a === b) return;
    this.cluster.say(a.rank, `loses its connection to ${b.rank}`);
    this.cluster.network.break(a.rank, b.rank);
  }

  /** Nothing passes between two sides for a while; or between two ranks alone. */
  private divide(): void {
    const { cluster } = this;
    const { network, random, processes } = cluster;
    const ranks = processes.map(({ rank }) => rank);
    const side = new Set(ranks.filter(() => random.random() < 0.5));
    const isPair = random.random() < 0.3;
    const [first, second] = [this.anyone().rank, this.anyone().rank];
    cluster.say(first, isPair ? `cannot reach ${second}` : `divided: ${[...side]}`);
    for (const a of ranks) {
      for (const b of ranks) {
        const isCut = isPair ? a === first && b === second : side.has(a) && !side.has(b);
        if (isCut) network.block(a, b);
      }
    }
    this.after(random.uniform(200, 4000), () => this.unite());
  }

  private unite(): void {
    this.cluster.say(0, "united");
    this.cluster.network.unblockAll();
  }

  private healAll(): void {
    const { cluster } = this;
    this.unite();
    for (const process of cluster.processes) {
      if (process.isPaused) cluster.network.resume(process);
    }
  }
}
