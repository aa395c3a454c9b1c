// All peers of a simulated job on their network: connects them, delivers what they say, kills them and
// starts them again. In seconds of virtual time.
import type { Frame } from "../collective/reduction.ts";
import type { Message } from "../membership/messages.ts";
import type { Member, View } from "../membership/view.ts";
import type { ExchangeStats } from "../peer/protocol.ts";
import { encodeControl } from "../wire/encode_control.ts";
import { type NetworkOptions, SimulatedNetwork } from "./network.ts";
import { SimulatedPeer } from "./peer.ts";
import type { VirtualTime } from "./virtual_time.ts";
import type { Workload } from "./workload.ts";

export interface ClusterOptions {
  readonly peers: number;
  readonly workload: Workload;
  readonly network: NetworkOptions;
  /** Seconds after which a silent peer is held to be dead. */
  readonly patience: number;
  /** Seconds of one micro-batch. */
  readonly microBatch: () => number;
}

export interface ClusterEvents {
  /** A peer has heard that all members of its view have the state. */
  assembled(rank: number): void;
  /** A peer has applied an update. */
  updated(rank: number, stats: ExchangeStats): void;
}

/** Seconds between two ticks of a peer; from its socket's end to the process that hears of it. */
const TICK = 0.25;
const RESET = 0.004;

/** Bytes of a data frame besides its payload. */
const DATA_HEAD = 40;

export class SimulatedCluster {
  readonly peers: (SimulatedPeer | undefined)[];
  private readonly network: SimulatedNetwork;
  private readonly sizes = new Map<Message["t"], number>();
  /** By rank of a process that died, the ranks that have noticed. */
  private readonly noticed = new Map<number, Set<number>>();
  private incarnations = 0;

  constructor(
    private readonly time: VirtualTime,
    private readonly options: ClusterOptions,
    private readonly events: ClusterEvents,
  ) {
    this.network = new SimulatedNetwork(time, options.peers, slowedByBeats(options));
    this.peers = Array.from({ length: options.peers }, (_, rank) => this.create(rank));
  }

  /** All are in one view. @param mayFail whether they need connections to notice who fails. */
  begin(mayFail: boolean): void {
    const living = this.living();
    const members = living.map(({ options }) => options.self);
    const view: View = { generation: 1, members, resume: 0, fetching: [] };
    for (const peer of living) peer.received(peer.rank, { t: "decide", view });
    if (!mayFail) return;
    for (const peer of living) {
      const { greeting } = peer;
      for (const other of living) if (other !== peer) other.membership.linked(greeting);
      this.tickFrom(peer);
    }
  }

  living(): SimulatedPeer[] {
    return this.peers.filter((peer) => peer !== undefined);
  }

  /** Whether all that live, and nobody else, are the members of one view. */
  get isSettled(): boolean {
    const living = this.living();
    const [{ membership }] = living;
    const { generation, view } = membership;
    return (
      view?.members.length === living.length &&
      living.every((peer) => {
        const { phase, generation: own } = peer.membership;
        return phase === "member" && own === generation;
      })
    );
  }

  /** Whether a peer is the first of its view that lives. */
  isFirst(rank: number): boolean {
    const members = this.peers[rank]?.membership.view?.members;
    return members?.find((member) => this.peers[member.rank]?.isAlive)?.rank === rank;
  }

  /** A process ends. @param isSilent whether its machine does, so that no connection is closed. */
  kill(rank: number, isSilent: boolean): void {
    const peer = this.peers[rank];
    if (!peer) return;
    peer.isAlive = false;
    this.peers[rank] = undefined;
    this.network.dropData(rank);
    const { patience, network } = this.options;
    const delay = isSilent ? patience + TICK : RESET + network.latency;
    const noticed = new Set<number>();
    this.noticed.set(rank, noticed);
    for (const other of this.living()) {
      this.time.after(delay, () => this.notice(other, rank, noticed));
    }
  }

  private notice(peer: SimulatedPeer, dead: number, noticed: Set<number>): void {
    if (!peer.isAlive || noticed.has(peer.rank)) return;
    noticed.add(peer.rank);
    peer.membership.unlinked(dead, "it died");
  }

  /** A process of a rank is started anew, and connects to all that are there. */
  start(rank: number): void {
    const peer = this.create(rank);
    this.peers[rank] = peer;
    const { latency } = this.options.network;
    const noticed = this.noticed.get(rank) ?? new Set();
    for (const other of this.living()) {
      if (other === peer) continue;
      // TCP's handshake and a greeting, which is answered.
      this.time.after(3 * latency, () => {
        if (!other.isAlive || !peer.isAlive) return;
        this.notice(other, rank, noticed);
        const { greeting } = other;
        other.membership.linked(peer.greeting);
        this.time.after(latency, () => {
          if (other.isAlive && peer.isAlive) peer.membership.linked(greeting);
        });
      });
    }
    this.tickFrom(peer);
  }

  private create(rank: number): SimulatedPeer {
    const { time, options, events, network } = this;
    const { peers: size, patience, workload, microBatch } = options;
    const self: Member = { rank, incarnation: this.incarnations++, host: "simulated", port: rank };
    return new SimulatedPeer(
      { self, size, patience, workload },
      {
        now: () => time.now,
        after: (delay, action) => time.after(delay, action),
        send: (to, message) => this.send(rank, to, message),
        sendData: (to, generation, frame, bytes) =>
          this.sendData(rank, to, generation, frame, bytes),
        dropData: () => network.dropData(rank),
        microBatch,
        assembled: () => events.assembled(rank),
        updated: (stats) => events.updated(rank, stats),
      },
    );
  }

  private send(from: number, to: number, message: Message): void {
    const peer = this.peers[to];
    if (!peer) return;
    const arrived = (): void => peer.received(from, message);
    this.network.send(from, { to, bytes: this.sizeOf(message), arrived }, true);
  }

  private sendData(from: number, to: number, generation: number, frame: Frame, bytes: number) {
    const peer = this.peers[to];
    if (!peer) return;
    const arrived = (): void => peer.arrived(from, generation, frame, bytes);
    this.network.send(from, { to, bytes: bytes + DATA_HEAD, arrived }, false);
  }

  /** Bytes of a control frame: as many as the first one of its kind has. */
  private sizeOf(message: Message): number {
    const known = this.sizes.get(message.t) ?? encodeControl(message).length;
    this.sizes.set(message.t, known);
    return known;
  }

  private tickFrom(peer: SimulatedPeer): void {
    this.time.after(TICK, () => {
      if (!peer.isAlive) return;
      peer.tick();
      this.beat(peer);
      this.tickFrom(peer);
    });
  }

  /** Heartbeats where they say something new: between peers of different views, or in a change. */
  private beat(peer: SimulatedPeer): void {
    const isSettled = peer.membership.phase === "member";
    const { generation } = peer.membership;
    for (const other of this.living()) {
      if (other === peer) continue;
      const { membership } = other;
      if (isSettled && membership.phase === "member" && membership.generation === generation)
        continue;
      this.send(peer.rank, other.rank, { t: "beat", ...peer.membership.standing() });
    }
  }
}

/** The network that heartbeats leave: each peer sends and receives one for every other at each tick. */
function slowedByBeats({ peers, network }: ClusterOptions): NetworkOptions {
  const members = Array.from({ length: peers }, (_, rank) => rank);
  const standing = { generation: 1, step: 1000, phase: "member", members, installed: 1 };
  const bytes = encodeControl({ t: "beat", ...standing }).length;
  const perSecond = (peers - 1) / TICK;
  const { bandwidth, perMessage, perByte } = network;
  const thread = Math.max(0.01, 1 - 2 * perSecond * (perMessage + perByte * bytes));
  return {
    ...network,
    bandwidth: Math.max(0.01 * bandwidth, bandwidth - perSecond * bytes),
    perMessage: perMessage / thread,
    perByte: perByte / thread,
  };
}
