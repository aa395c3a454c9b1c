import process from "node:process";
import { UserError } from "../../src/config/user_error.ts";
import { BunTransport } from "./bun_transport.ts";
import { DenoTransport } from "./deno_transport.ts";
import { defaultLimits, type Limits } from "./limits.ts";
import type { Security } from "./security.ts";
import type { Transport } from "./transport.ts";

/**
 * The transport of the runtime that this is.
 * @throws UserError on Node.
 */
export function openTransport(_security: Security, limits: Limits = defaultLimits): Transport {
  if ("Bun" in globalThis) return new BunTransport(limits);
  if ("Deno" in globalThis) return new DenoTransport(limits);
  throw new UserError({
    place: `Node ${process.version}`,
    problem: "peers exchange gradients on Bun and Deno only",
    remedy: "start the same command with bun, or with deno run -A",
  });
}
