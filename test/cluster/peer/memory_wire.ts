// Connections within one process, whose bytes arrive when a test says so.
import {
  type Address,
  ConnectError,
  type Connection,
  type Receiver,
  type SendOptions,
  type Transport,
} from "../../../cluster/transport/transport.ts";

class End implements Connection {
  readonly proven = undefined;
  readonly queued = 0;
  readonly traffic = { sent: 0, received: 0 };
  receiver: Receiver | undefined;
  other: End | undefined;
  isOver = false;

  constructor(
    readonly remote: string,
    private readonly wire: MemoryWire,
  ) {}

  send(pieces: readonly Uint8Array[], { sent }: SendOptions = {}): void {
    if (this.isOver) return;
    const bytes = pieces.map((piece) => piece.slice());
    this.wire.later(() => {
      for (const each of bytes) this.other?.take(each);
      sent?.();
    });
  }

  take(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && !this.isOver; ) {
      const space = this.receiver?.space() ?? new Uint8Array(0);
      const part = bytes.subarray(at, at + space.length);
      space.set(part);
      this.traffic.received += part.length;
      this.receiver?.filled(part.length);
      at += part.length;
    }
  }

  dropQueued(): void {}

  close(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.wire.later(() => this.receiver?.closed(undefined));
    this.wire.later(() => this.other?.close());
  }
}

export class MemoryWire {
  private readonly listeners = new Map<string, (connection: Connection) => Receiver>();
  private queue: (() => void)[] = [];

  later(action: () => void): void {
    this.queue.push(action);
  }

  /** Lets all arrive that was sent before now. */
  async deliver(): Promise<void> {
    const { queue } = this;
    this.queue = [];
    for (const action of queue) action();
    await Promise.resolve();
  }

  listen(port: number, accept: (connection: Connection) => Receiver): void {
    this.listeners.set(`h:${port}`, accept);
  }

  readonly transport: Transport = {
    listen: async () => {
      throw new Error("MemoryWire: listen with listen()");
    },
    connect: async ({ host, port }: Address, open) => {
      const place = `${host}:${port}`;
      const accept = this.listeners.get(place);
      if (!accept) throw new ConnectError(`${place}: nobody listens there`, false);
      const [here, there] = [new End(place, this), new End("h:0", this)];
      here.other = there;
      there.other = here;
      this.later(() => {
        there.receiver = accept(there);
      });
      here.receiver = open(here);
      return here;
    },
  };
}
