// What went wrong with a socket, in words. Bun and Deno agree on the codes and on nothing else.
import { UserError } from "../../src/config/user_error.ts";
import { addressText } from "./address_text.ts";
import { type Address, ConnectError } from "./transport.ts";

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nobody listens there (connection refused)",
  ECONNRESET: "the connection was reset",
  EPIPE: "the other side closed the connection while we were sending",
  ETIMEDOUT: "the other machine does not answer any more",
  EHOSTUNREACH: "there is no way to that machine (host unreachable)",
  ENETUNREACH: "there is no way to that machine (network unreachable)",
  ENOTFOUND: "no machine of that name is known",
};

/** Deno gives failed look-ups of a name no code. */
const UNKNOWN_NAME = /failed to lookup address/;

/** "ECONNREFUSED", say; empty where there is none. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  const { code } = error as { code?: unknown };
  if (typeof code === "string") return code;
  return UNKNOWN_NAME.test(error.message) ? "ENOTFOUND" : "";
}

/** Why a connection ended, or did not come about. */
export function reasonOf(error: unknown): string {
  return REASONS[codeOf(error)] ?? (error instanceof Error ? error.message : String(error));
}

/** What `Transport.connect` throws if the dialling itself fails. */
export function dialFailure(address: Address, error: unknown): ConnectError {
  return new ConnectError(`${addressText(address)}: ${reasonOf(error)}`, false);
}

/** What `Transport.connect` throws if it has waited long enough. */
export function noAnswer(address: Address, milliseconds: number): ConnectError {
  const seconds = milliseconds / 1000;
  return new ConnectError(`${addressText(address)}: no answer within ${seconds} s`, false);
}

/** What `Transport.listen` throws. */
export function listenFailure(address: Address, error: unknown): Error {
  const place = addressText(address);
  switch (codeOf(error)) {
    case "EADDRINUSE":
      return new UserError({
        place,
        problem: "another process listens there already",
        remedy:
          "end that process if it is left of an earlier run, give this one a --rank of its own if it is a peer " +
          "of this job, or choose another port",
      });
    case "EADDRNOTAVAIL":
      return new UserError({
        place,
        problem: "this machine does not have that address",
        remedy: "listen on one of its own addresses, or on 0.0.0.0 for all of them",
      });
    case "EACCES":
      return new UserError({
        place,
        problem: "this user may not listen on that port",
        remedy: "choose a port above 1023",
      });
    default:
      return new UserError({
        place,
        problem: `cannot listen there (${reasonOf(error)})`,
        remedy: "give an address of this machine, and a port that is free",
      });
  }
}
