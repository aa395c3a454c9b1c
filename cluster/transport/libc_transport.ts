import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import process from "node:process";
import { dial } from "./dial.ts";
import { dialFailure, listenFailure } from "./failures.ts";
import { type Libc, POLLIN, POLLOUT } from "./libc.ts";
import { LibcConnection } from "./libc_connection.ts";
import type { Limits } from "./limits.ts";
import type { Poller, Watch } from "./poller.ts";
import { isLoopback } from "./security_flags.ts";
import type {
  Address,
  Connection,
  Listener,
  NearMemory,
  Receiver,
  Transport,
} from "./transport.ts";

/** Callers that are let in before others have their turn. */
const MOST_AT_ONCE = 64;

/** Pause after a connection that could not be accepted: too many open files, say. */
const ACCEPT_PAUSE = 50;

/** Sockets of the C library, and the one who waits for them. */
export interface LibcSockets {
  readonly libc: Libc;
  readonly poller: Poller;
  /** Whether peers of this machine may read each other's memory. */
  readonly readsMemory: boolean;
}

/** TCP by sockets of the C library. */
export class LibcTransport implements Transport {
  private readonly memory: NearMemory | undefined;

  constructor(
    private readonly sockets: LibcSockets,
    private readonly limits: Limits,
  ) {
    const { libc, readsMemory } = sockets;
    if (!readsMemory) return;
    this.memory = {
      pid: process.pid,
      addressOf: (bytes) => libc.addressOf(bytes),
      read: (pid, from, into) => libc.readMemory(pid, from, into),
    };
  }

  async listen(address: Address, accept: (connection: Connection) => Receiver): Promise<Listener> {
    const { libc } = this.sockets;
    let fd: number | undefined;
    try {
      const host = await ipOf(address.host);
      fd = libc.socket(host);
      const port = libc.listen(fd, { host, port: address.port });
      const close = this.serve(fd, accept);
      return { address: { host: address.host, port }, close };
    } catch (error) {
      if (fd !== undefined) libc.close(fd);
      throw listenFailure(address, error);
    }
  }

  connect(address: Address, open: (connection: Connection) => Receiver): Promise<Connection> {
    return dial(address, this.limits.patience, async (tooLate) => {
      const fd = await this.connected(address, tooLate).catch((error) => {
        throw dialFailure(address, error);
      });
      const connection = this.connection(fd, address);
      connection.begin(open);
      return connection;
    });
  }

  /** @returns how to end it. */
  private serve(fd: number, accept: (connection: Connection) => Receiver): () => void {
    const { libc, poller } = this.sockets;
    let pause: ReturnType<typeof setTimeout> | undefined;
    const watch: Watch = {
      fd,
      events: POLLIN,
      ready: () => {
        try {
          for (let i = 0; i < MOST_AT_ONCE && this.take(fd, accept); i++);
        } catch {
          watch.events = 0;
          pause = setTimeout(() => (watch.events = POLLIN), ACCEPT_PAUSE);
        }
      },
    };
    poller.watch(watch);
    let isClosed = false;
    return () => {
      if (isClosed) return;
      isClosed = true;
      clearTimeout(pause);
      poller.unwatch(watch);
      libc.close(fd);
    };
  }

  /** Lets a caller in, if one waits. @throws LibcError */
  private take(listener: number, accept: (connection: Connection) => Receiver): boolean {
    const caller = this.sockets.libc.accept(listener);
    if (!caller) return false;
    try {
      this.connection(caller.fd, caller.remote).begin(accept);
    } catch {
      // It is closed: `accept` refused it.
    }
    return true;
  }

  private connection(fd: number, remote: Address): LibcConnection {
    const { libc, poller } = this.sockets;
    try {
      // Spares others an attempt; what proves it is a number that is read from the other's memory.
      const isNear = isLoopback(remote.host) || remote.host === libc.localAddress(fd).host;
      return new LibcConnection(libc, poller, fd, remote, isNear ? this.memory : undefined);
    } catch (error) {
      libc.close(fd);
      throw error;
    }
  }

  /** @returns a socket that is connected. */
  private async connected(address: Address, tooLate: AbortSignal): Promise<number> {
    const { libc, poller } = this.sockets;
    const host = await ipOf(address.host);
    tooLate.throwIfAborted();
    const fd = libc.socket(host);
    const over = Promise.withResolvers<void>();
    const watch: Watch = { fd, events: POLLOUT, ready: () => over.resolve() };
    const abort = (): void => over.reject(tooLate.reason);
    try {
      libc.connect(fd, { host, port: address.port });
      poller.watch(watch);
      tooLate.addEventListener("abort", abort);
      await over.promise;
      const failure = libc.failure(fd);
      if (failure) throw failure;
      return fd;
    } catch (error) {
      libc.close(fd);
      throw error;
    } finally {
      tooLate.removeEventListener("abort", abort);
      poller.unwatch(watch);
    }
  }
}

async function ipOf(host: string): Promise<string> {
  return isIP(host) ? host : (await lookup(host)).address;
}
