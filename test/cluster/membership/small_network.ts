// Peers whose messages are delivered at once, in order.
import { Membership } from "../../../cluster/membership/membership.ts";
import type { Hello, Message } from "../../../cluster/membership/messages.ts";

export class SmallNetwork {
  readonly peers = new Map<number, Membership>();
  readonly suspended: number[] = [];
  private readonly queue: (() => void)[] = [];
  private readonly steps = new Map<number, number>();

  /** @param without those that it cannot reach yet. */
  start(rank: number, step: number, incarnation = 1, without: readonly number[] = []): Membership {
    this.steps.set(rank, step);
    const peer: Membership = new Membership(
      {
        self: { rank, incarnation, host: "h", port: rank },
        ...{ size: 3, joining: false, patience: 100 },
      },
      {
        send: (to, message) => this.send(rank, to, message),
        position: () => ({
          step: peer.view?.resume ?? step,
          held: false,
          parameters: this.steps.get(rank) ?? 0,
        }),
        abort: () => undefined,
        install: ({ fetching }) => {
          if (!fetching.includes(rank)) peer.ready();
        },
        assembled: () => undefined,
        suspended: () => this.suspended.push(rank),
        say: () => undefined,
      },
    );
    this.peers.set(rank, peer);
    for (const other of this.peers.keys()) {
      if (other !== rank && !without.includes(other)) this.link(rank, other, incarnation);
    }
    return peer;
  }

  link(rank: number, other: number, incarnation = 1): void {
    const [peer, known] = [this.peers.get(rank), this.peers.get(other)];
    if (!peer || !known) throw new Error("nobody is there to be linked");
    known.linked(this.helloOf(peer, rank, incarnation));
    peer.linked(this.helloOf(known, other, 1));
  }

  /** Goes away in good order; of some it is heard later. */
  leave(rank: number, heardBy: (other: number) => boolean): void {
    this.peers.delete(rank);
    for (const [other, peer] of this.peers) {
      const say = (): void => peer.received(rank, { t: "leave", reason: "done" });
      if (heardBy(other)) say();
      else this.queue.push(say);
    }
  }

  kill(rank: number): void {
    this.peers.delete(rank);
    for (const peer of this.peers.values()) peer.unlinked(rank, "it died");
  }

  run(): void {
    for (let next = this.queue.shift(); next; next = this.queue.shift()) next();
    for (let now = 0; now < 1000; now += 50) {
      for (const peer of this.peers.values()) peer.tick(now);
      for (let next = this.queue.shift(); next; next = this.queue.shift()) next();
      for (const [rank, peer] of this.peers) {
        const beat = { t: "beat", ...peer.standing() } as const;
        for (const [other, to] of this.peers) if (other !== rank) to.received(rank, beat);
      }
    }
  }

  private send(from: number, to: number, message: Message): void {
    this.queue.push(() => this.peers.get(to)?.received(from, message as never));
  }

  private helloOf(peer: Membership, rank: number, incarnation: number): Hello {
    return {
      ...{ t: "hello", protocol: 1, job: "j", size: 3, joining: false, parameters: 0 },
      ...{ agreement: {}, clock: 0, self: { rank, incarnation, host: "h", port: rank } },
      ...peer.standing(),
    };
  }
}
