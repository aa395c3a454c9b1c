// Peers whose messages are delivered at once, in order.
import { Membership } from "../../../cluster/membership/membership.ts";
import type { Hello, Message } from "../../../cluster/membership/messages.ts";

export class SmallNetwork {
  readonly peers = new Map<number, Membership>();
  readonly suspended: number[] = [];
  private readonly queue: (() => void)[] = [];
  private readonly steps = new Map<number, number>();

  start(rank: number, step: number, incarnation = 1): Membership {
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
        learn: () => undefined,
        install: ({ fetching }) => {
          if (!fetching.includes(rank)) peer.ready();
        },
        assembled: () => undefined,
        suspended: () => this.suspended.push(rank),
        say: () => undefined,
      },
    );
    for (const [other, known] of this.peers) {
      known.linked(this.helloOf(peer, rank, incarnation));
      peer.linked(this.helloOf(known, other, 1));
    }
    this.peers.set(rank, peer);
    return peer;
  }

  /** Goes away in good order; of some it is heard later. */
  leave(rank: number, heardBy: (other: number) => boolean): void {
    const farewell = this.peers.get(rank)?.farewell("done");
    this.peers.delete(rank);
    for (const [other, peer] of this.peers) {
      const say = (): void => (farewell ? peer.received(rank, farewell) : undefined);
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
