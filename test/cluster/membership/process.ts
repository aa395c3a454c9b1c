import type { Connection } from "./connection.ts";
import type { ModelPeer } from "./model_peer.ts";

/** A process that runs a peer, until it dies. */
export class Process {
  isAlive = true;
  isPaused = false;
  /** What comes while it is paused. */
  readonly inbox: (() => void)[] = [];
  readonly connections = new Map<number, Connection>();
  readonly dialledAt = new Map<number, number>();
  lastTick = 0;
  private running: ModelPeer | undefined;

  /** @param addresses ranks that it knows how to reach. */
  constructor(
    readonly rank: number,
    readonly addresses: Set<number>,
  ) {}

  get peer(): ModelPeer {
    if (!this.running) throw new Error("the process runs no peer yet");
    return this.running;
  }

  runs(peer: ModelPeer): void {
    this.running = peer;
  }
}
