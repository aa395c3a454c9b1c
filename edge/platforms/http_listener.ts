// Listening for HTTP with what the runtime brings along.
import { UserError } from "../../src/config/user_error.ts";

export interface Listener {
  readonly port: number;
  /** Accepts no more connections; ends those that are open once their answers have left. */
  close(): Promise<void>;
}

type Fetch = (request: Request) => Promise<Response>;

/** The part of Deno's interface that is used here. */
interface DenoServe {
  serve(
    options: { port: number; hostname: string; signal: AbortSignal; onListen: () => void },
    fetch: Fetch,
  ): { readonly addr: { readonly port: number }; shutdown(): Promise<void> };
}

/** Seconds after which a connection that sends nothing is dropped; one that waits for an answer is not. */
const IDLE_SECONDS = 60;

/** How long last answers may take to leave, and connections that are kept open to end. */
const LAST_MILLISECONDS = 1000;

/** @throws UserError if the port is taken or the address is not this machine's. */
export function listen(fetch: Fetch, hostname: string, port: number): Listener {
  try {
    return "Deno" in globalThis
      ? listenOnDeno(fetch, hostname, port)
      : listenOnBun(fetch, hostname, port);
  } catch (cause) {
    throw new UserError({
      place: `--host ${hostname} --port ${port}`,
      problem: `cannot listen: ${cause instanceof Error ? cause.message : String(cause)}`,
      remedy: "choose another port (0: any that is free), or stop what listens there",
    });
  }
}

function listenOnBun(fetch: Fetch, hostname: string, port: number): Listener {
  const server = Bun.serve({
    port,
    hostname,
    idleTimeout: IDLE_SECONDS,
    async fetch(request, own) {
      own.timeout(request, 0); // from here on the deadlines of the app hold
      const response = await fetch(request);
      own.timeout(request, IDLE_SECONDS);
      return response;
    },
  });
  return {
    port: server.port ?? port,
    async close() {
      await Promise.race([server.stop(), lastMoment()]);
      await server.stop(true);
    },
  };
}

function listenOnDeno(fetch: Fetch, hostname: string, port: number): Listener {
  const { Deno } = globalThis as unknown as { Deno: DenoServe };
  const ending = new AbortController();
  const { signal } = ending;
  const server = Deno.serve({ port, hostname, signal, onListen: () => undefined }, fetch);
  return {
    port: server.addr.port,
    async close() {
      const ended = server.shutdown().then(() => true);
      // What has ended already must not be aborted: Deno throws.
      if (!(await Promise.race([ended, lastMoment()]))) ending.abort();
    },
  };
}

const lastMoment = (): Promise<false> =>
  new Promise((resolve) => setTimeout(() => resolve(false), LAST_MILLISECONDS));
