// Whose sockets a peer uses: libc's, which read into the gradients' own memory, or its runtime's.
import { UserError } from "../../src/config/user_error.ts";
import { openLibc } from "./libc.ts";
import type { LibcSockets } from "./libc_transport.ts";
import { Poller } from "./poller.ts";
import type { Security } from "./security.ts";

/** What --sockets says. */
export type SocketChoice = "auto" | "libc" | "runtime";

export interface OpenSockets {
  /** Undefined for the runtime's own. */
  readonly sockets: LibcSockets | undefined;
  /** What was chosen and why, for the log. */
  readonly line: string;
}

let opened: ReturnType<typeof openForThread> | undefined;

/** One poller for each thread: a second one would sleep while the first has work. */
async function openForThread() {
  const libc = await openLibc();
  return "reason" in libc ? libc : { libc, poller: new Poller(libc) };
}

/** @throws UserError if libc's sockets are demanded and cannot be had. */
export async function openSockets(choice: SocketChoice, security: Security): Promise<OpenSockets> {
  if (choice === "runtime") return { sockets: undefined, line: "the runtime's" };
  if (security.kind === "tls") {
    if (choice === "libc") refuse("knows no TLS, which --tls-cert asks for");
    return { sockets: undefined, line: "the runtime's, which know TLS" };
  }
  opened ??= openForThread();
  const found = await opened;
  if ("reason" in found) {
    if (choice === "libc") refuse(`cannot be had (${found.reason})`);
    return { sockets: undefined, line: `the runtime's: no libc (${found.reason})` };
  }
  const readsMemory = choice === "auto";
  const line = readsMemory ? "libc's; peers of one machine read each other's memory" : "libc's";
  return { sockets: { ...found, readsMemory }, line };
}

function refuse(problem: string): never {
  throw new UserError({
    place: "--sockets libc",
    problem,
    remedy: "leave --sockets out: it takes what there is",
  });
}
