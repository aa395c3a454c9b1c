// The Transport contract: bytes between two processes, in order. Frames are cluster/wire's business.

/** Where a peer listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Takes what arrives on a connection, without a copy where the runtime reads into given memory. */
export interface Receiver {
  /**
   * Where the next bytes go; never empty, and asked for anew after every `filled`. It may be shared
   * memory. Until `filled` or `closed` it belongs to the connection, which may wait long for bytes.
   */
  space(): Uint8Array;
  /** Bytes that the other side must still send before anything can be done: the rest of a payload. */
  readonly awaited?: number;
  /** The first `count` bytes of that space have arrived. An error it throws ends the connection. */
  filled(count: number): void;
  /**
   * The connection is over. Called once, last, and never from within a call of the connection.
   * @param reason what went wrong; undefined if either side closed it. The end of a process that was
   *   killed looks like that too.
   */
  closed(reason: string | undefined): void;
}

export interface SendOptions {
  /** Goes ahead of all frames that are not urgent and have not begun to be sent. */
  readonly urgent?: boolean;
  /** May wait for what else is sent in this turn of the event loop, to leave in one packet with it. */
  readonly together?: boolean;
  /**
   * Called when the kernel has taken all bytes, possibly before `send` returns: the memory may be used
   * again. Not called if it never does. An error it throws ends the connection.
   */
  readonly sent?: () => void;
}

/** Reading other processes of this machine, as far as the system allows it. */
export interface NearMemory {
  /** This process, as others of this machine know it. */
  readonly pid: number;
  /** Where bytes lie in this process. */
  addressOf(bytes: Uint8Array): number;
  /**
   * Fills the pieces of `into`, in this order, from as many places of another process.
   * @throws Error if that process is gone, has no such memory, or must not be read.
   */
  read(pid: number, from: readonly number[], into: readonly Uint8Array[]): void;
}

/** One authenticated connection, open in both directions. */
export interface Connection {
  /** The other end, for messages: "10.0.0.7:29400". */
  readonly remote: string;
  /** Name that the other side's certificate proves; undefined where there are no certificates. */
  readonly proven: string | undefined;
  /** Where both ends are on one machine and what is sent need not be hidden; undefined elsewhere. */
  readonly memory?: NearMemory | undefined;
  /** Bytes that wait for the kernel. */
  readonly queued: number;
  /** Bytes sent and received since it was opened. */
  readonly traffic: { readonly sent: number; readonly received: number };
  /**
   * Queues the pieces of one frame. They are not copied, may be views of shared memory, and must stay
   * as they are until `sent`. Nothing happens once the connection is closed.
   */
  send(pieces: readonly Uint8Array[], options?: SendOptions): void;
  /** Forgets queued frames that are neither urgent nor begun. */
  dropQueued(): void;
  /**
   * Ends it. What the kernel has taken still goes out; what is queued does not, nor the rest of a frame
   * that has begun. The receiver's `closed` follows, without a reason.
   */
  close(): void;
}

export interface Listener {
  /** With the port that was free, where 0 was asked for. */
  readonly address: Address;
  /** Takes no more connections; those there are stay. */
  close(): void;
}

/** Hears of a caller that was sent away because it does not prove that it is a peer, and why. */
export type Refused = (remote: string, reason: string) => void;

/** Listens and dials on one runtime, in one way of securing connections. */
export interface Transport {
  /**
   * @param accept called for every connection that has authenticated itself; its receiver gets the
   *   bytes. If it throws, that connection is closed.
   * @param refused hears of callers that were not let in.
   * @throws UserError naming the address if it is in use or not of this machine.
   */
  listen(
    address: Address,
    accept: (connection: Connection) => Receiver,
    refused?: Refused,
  ): Promise<Listener>;
  /**
   * Dials once, authenticates, and hands what arrives to the receiver that `open` gives.
   * @throws ConnectError if nobody answers in time or the other side is not who it should be.
   */
  connect(address: Address, open: (connection: Connection) => Receiver): Promise<Connection>;
}

/** Why a connection did not come about. */
export class ConnectError extends Error {
  /**
   * @param permanent whether dialling again cannot help: a wrong certificate, another secret.
   */
  constructor(
    message: string,
    readonly permanent: boolean,
  ) {
    super(message);
    this.name = "ConnectError";
  }
}
