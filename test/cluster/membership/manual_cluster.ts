// Model peers whose messages wait until a test has them delivered, one by one or all.
import type { MembershipEffects } from "../../../cluster/membership/contract.ts";
import type { Message } from "../../../cluster/membership/messages.ts";
import { UNTRAINED } from "./history.ts";
import { ModelPeer } from "./model_peer.ts";

export interface Letter {
  readonly from: number;
  readonly to: number;
  readonly message: Message;
}

export interface ManualClusterOptions {
  readonly size: number;
  readonly swap?: MembershipEffects["swap"];
}

const PATIENCE = 1000;

export class ManualCluster {
  readonly letters: Letter[] = [];
  readonly said: string[] = [];
  /** Ranks that each has been told it can call. */
  readonly learned = new Map<number, readonly number[]>();
  private readonly peers = new Map<number, ModelPeer>();
  private tasks: { readonly rank: number; readonly action: () => void }[] = [];
  private incarnations = 0;
  private now = 0;

  /** All that are started at once, and connected. */
  constructor(private readonly options: ManualClusterOptions) {
    for (let rank = 0; rank < options.size; rank++) this.start(rank);
  }

  get(rank: number): ModelPeer {
    const peer = this.peers.get(rank);
    if (!peer) throw new Error(`rank ${rank} is dead`);
    return peer;
  }

  /** @param reached those that it finds; all, unless told otherwise. */
  start(rank: number, reached: readonly number[] = [...this.peers.keys()]): void {
    const { size, swap } = this.options;
    const self = { rank, incarnation: this.incarnations++, host: "model", port: rank };
    const settings = { self, size, joining: rank >= size, patience: PATIENCE, compute: 1 };
    const peer = new ModelPeer(
      { ...settings, step: 0, parameters: UNTRAINED },
      {
        send: (to, message) => this.letters.push({ from: rank, to, message }),
        later: (_, action) => this.tasks.push({ rank, action }),
        swap,
        learned: (ranks) => this.learned.set(rank, ranks),
        installed: () => undefined,
        reached: () => undefined,
        violated: (what) => {
          throw new Error(what);
        },
        say: (line) => this.said.push(line),
      },
    );
    this.peers.set(rank, peer);
    for (const other of reached) this.link(other, rank);
  }

  link(a: number, b: number): void {
    const [first, second] = [this.get(a), this.get(b)];
    const greeting = first.greeting;
    first.membership.linked(second.greeting);
    second.membership.linked(greeting);
  }

  /** Breaks a connection; what is on its way is lost. */
  unlink(a: number, b: number): void {
    this.lose(({ from, to }) => (from === a && to === b) || (from === b && to === a));
    this.get(a).membership.unlinked(b, "reset");
    this.get(b).membership.unlinked(a, "reset");
  }

  kill(rank: number): void {
    this.peers.delete(rank);
    this.tasks = this.tasks.filter((task) => task.rank !== rank);
    this.lose(({ from, to }) => from === rank || to === rank);
    for (const peer of this.peers.values()) peer.membership.unlinked(rank, "closed");
  }

  lose(isLost: (letter: Letter) => boolean): void {
    this.letters.splice(0, this.letters.length, ...this.letters.filter((each) => !isLost(each)));
  }

  /** Delivers what may go, and what is sent in answer to it. */
  deliver(mayGo: (letter: Letter) => boolean = () => true): void {
    for (;;) {
      const next = this.letters.findIndex(mayGo);
      if (next < 0) return;
      const [{ from, to, message }] = this.letters.splice(next, 1);
      this.peers.get(to)?.received(from, message);
    }
  }

  tick(): void {
    this.now += PATIENCE / 5;
    for (const { membership, self } of this.peers.values()) {
      membership.tick(this.now);
      const beat = { t: "beat", ...membership.standing() } as const;
      for (const to of this.peers.keys()) {
        if (to !== self.rank) this.letters.push({ from: self.rank, to, message: beat });
      }
    }
  }

  /** Does what peers have put off: all that was put off by now. */
  work(): void {
    const { tasks } = this;
    this.tasks = [];
    for (const { action } of tasks) action();
  }

  /** To the point where all are in one view, have its state, and begin to compute. */
  assemble(): void {
    for (let turn = 0; turn < 5; turn++) {
      this.tick();
      this.deliver();
      if (this.isAssembled) return;
      this.work();
      this.deliver();
      if (this.isAssembled) return;
    }
    throw new Error("the cluster does not come together");
  }

  private get isAssembled(): boolean {
    const all = [...this.peers.values()].map(({ membership }) => membership);
    const [{ generation }] = all;
    return all.every(
      (each) => each.generation === generation && each.standing().installed === generation,
    );
  }
}
