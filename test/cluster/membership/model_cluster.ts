// A job of model peers on an unreliable network, to which things are done at random until a time, and which
// is then left in peace.
import {
  isQuorum,
  isSame,
  type Member,
  ranksOf,
  type View,
} from "../../../cluster/membership/view.ts";
import type { NumpyRandom } from "../../../src/data/numpy_random.ts";
import { History, textOf, UNTRAINED } from "./history.ts";
import { ModelPeer } from "./model_peer.ts";
import { ModelRegister } from "./model_register.ts";
import { Process } from "./process.ts";
import { UnreliableNetwork } from "./unreliable_network.ts";

export interface ModelClusterOptions {
  readonly size: number;
  readonly isFenced: boolean;
  /** Whether so many may die at once that only all together, some begun anew, can go on. */
  readonly losesQuorum: boolean;
}

export class ModelCluster {
  readonly history = new History();
  readonly network: UnreliableNetwork;
  readonly register: ModelRegister | undefined;
  private readonly log: string[] = [];
  private incarnations = 0;
  /** What the first peer has saved last, for those that are started again. */
  private saved = { step: 0, parameters: UNTRAINED };
  private readonly speeds = new Map<number, number>();

  constructor(
    readonly random: NumpyRandom,
    readonly options: ModelClusterOptions,
  ) {
    const delay = [3, 10, 50][random.randint(0, 3)];
    const pace = { patience: 1000, tick: 200, redial: 300, delay };
    this.network = new UnreliableNetwork(random, pace);
    this.register = options.isFenced
      ? new ModelRegister(this.network, this.formerRun())
      : undefined;
    for (let rank = 0; rank < options.size; rank++) this.start(rank);
  }

  get now(): number {
    return this.network.time.now;
  }

  /** Views of those that live. */
  private get living(): View[] {
    return this.processes.flatMap(({ peer }) => peer.membership.view ?? []);
  }

  get processes(): Process[] {
    return [...this.network.processes.values()];
  }

  /** What an earlier run of the job has left in the register, in some clusters. */
  private formerRun(): View | undefined {
    const { random, options } = this;
    if (random.random() < 0.7) return undefined;
    // It may have had more ranks than this one has.
    const members = Array.from({ length: random.randint(1, options.size + 3) }, (_, rank) => ({
      ...{ rank, incarnation: 1000 + rank, host: "model", port: rank },
    }));
    const size = Math.max(members.length, options.size);
    return { generation: random.randint(1, 9), members, resume: 7, fetching: [], size };
  }

  /** Starts a process of a rank, of which nothing is known but what was saved. */
  start(rank: number): void {
    const { network, register, history, options } = this;
    if (network.processes.has(rank)) return;
    const { size } = options;
    const process = new Process(rank, new Set(Array.from({ length: size }, (_, i) => i)));
    const incarnation = this.incarnations++;
    const self: Member = { rank, incarnation, host: "model", port: rank };
    const compute = this.speeds.get(rank) ?? 20 * 10 ** this.random.uniform(0, 1);
    this.speeds.set(rank, compute);
    const { step, parameters } = this.random.random() < 0.5 ? this.saved : NOTHING_SAVED;
    this.say(rank, `starts as ${incarnation} after ${step} updates`);
    const peer = new ModelPeer(
      {
        ...{ self, size, joining: rank >= size, patience: network.pace.patience },
        ...{ step, parameters, compute },
      },
      {
        send: (to, message) => network.send(process, to, message),
        later: (mean, action) => network.later(process, mean, action),
        swap: register && ((expected, next) => register.swap(process, expected, next)),
        learned: (ranks) => {
          for (const each of ranks) process.addresses.add(each);
        },
        installed: (view) => {
          this.say(rank, `installs ${textOf(view)}`);
          const members = ranksOf(view.members);
          history.installed(rank, view, this.living);
          network.cutOff(process, members);
        },
        reached: (step, parameters) => {
          history.reached(rank, step, parameters);
          if (peer.membership.leads && step % 5 === 0) this.saved = { step, parameters };
        },
        violated: (what) => history.violated(what),
        say: (line) => this.say(rank, line),
      },
    );
    process.runs(peer);
    network.start(process);
  }

  /** Whether the job can be expected to go on without a process, with nothing lost. */
  canSpare(process: Process): boolean {
    const { isFenced, losesQuorum } = this.options;
    if (!this.history.latest) return false;
    const last = this.register?.standing ?? this.history.latest;
    const left = this.processes.filter(
      (each) => each !== process && last.members.some((member) => isSame(member, each.peer.self)),
    );
    const keepsState = ({ rank, peer }: Process): boolean =>
      peer.isWhole &&
      (peer.membership.standing().installed >= last.generation || !last.fetching.includes(rank));
    if (!left.some(keepsState)) return false;
    if (isFenced || isQuorum(last, new Set(left.map(({ rank }) => rank)))) return true;
    // Nobody may be about to decide that those who keep the state are out.
    const isCalm = left.every(({ peer: { membership } }) => {
      return membership.generation === last.generation && membership.phase !== "changing";
    });
    return losesQuorum && isCalm;
  }

  /** Whether all that live are members of one view and make updates together. */
  get isWell(): boolean {
    const { processes } = this;
    const generations = new Set(processes.map(({ peer }) => peer.membership.generation));
    return (
      generations.size === 1 &&
      processes.every(({ peer, isPaused }) => {
        const { phase, view } = peer.membership;
        const isThere = view?.members.some((member) => isSame(member, peer.self));
        return phase === "member" && isThere && !isPaused && peer.isWhole;
      }) &&
      processes[0].peer.membership.view?.members.length === processes.length
    );
  }

  async runUntil(time: number, isDone: () => boolean = () => false): Promise<boolean> {
    const { network, register } = this;
    while (network.time.next <= time) {
      network.time.step();
      if (register?.hasAnswered) await register.settle();
      if (this.history.violation) throw this.history.violation;
      if (isDone()) return true;
    }
    return isDone();
  }

  /** What has happened, and what each process is doing. */
  report(): string {
    const { standing } = this.register ?? {};
    if (standing) this.say(-1, `the register holds ${textOf(standing)}`);
    for (const { rank, peer, connections } of this.processes) {
      const { phase, view } = peer.membership;
      const known = view ? textOf(view) : "no view";
      const links = [...connections.keys()].sort().join(" ");
      this.say(rank, `${phase} after ${peer.step} of ${known}; connected to ${links}`);
    }
    return this.log.join("\n");
  }

  say(rank: number, line: string): void {
    this.log.push(`${this.now.toFixed(0).padStart(6)} rank ${rank}: ${line}`);
  }
}

const NOTHING_SAVED = { step: 0, parameters: UNTRAINED };
