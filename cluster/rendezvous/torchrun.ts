// torchrun, Kubeflow's PyTorchJob, and whoever else sets PyTorch's variables.
import { UserError } from "../../src/config/user_error.ts";
import { addressText } from "../transport/address_text.ts";
import type { Address } from "../transport/transport.ts";
import { type Environment, halfSet, type Launch, numberIn, rankOfSize, textIn } from "./launch.ts";
import { parseAddress } from "./parse_address.ts";
import { DEFAULT_PORT, type Meeting } from "./world.ts";

/** @param port of --port; undefined if it was not given. */
export function torchrunLaunch(env: Environment, port: number | undefined): Launch | undefined {
  if (textIn(env, "WORLD_SIZE") === undefined) return undefined; // a lone RANK: see requireAgreement
  const peer = rankOfSize(env, "RANK", "WORLD_SIZE");
  if (!peer) return undefined;
  const master = masterAddress(env, port);
  const runId = textIn(env, "TORCHELASTIC_RUN_ID");
  return {
    source: runId === undefined ? "RANK and WORLD_SIZE" : "torchrun",
    ...peer,
    localRank: numberIn(env, "LOCAL_RANK"),
    // torchrun's own name for a run without a name is the same for all of them.
    job: runId !== undefined && runId !== "none" ? runId : master ? addressText(master) : "weft",
    meeting: () => meetingAt(master, peer),
  };
}

/**
 * Where the peers of a launcher that gives no addresses meet: MASTER_ADDR and MASTER_PORT. torchrun's
 * agent listens on MASTER_PORT itself, and says so; then the peers take the port of --port.
 */
export function masterAddress(env: Environment, port: number | undefined): Address | undefined {
  const host = textIn(env, "MASTER_ADDR");
  if (host === undefined) return undefined;
  const masterPort = holdsPort(env) ? undefined : numberIn(env, "MASTER_PORT");
  const own = port === undefined || port === 0 ? DEFAULT_PORT : port;
  // Unlike a user, a launcher writes a bare IPv6 address.
  const text = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
  return parseAddress(
    masterPort === undefined ? text : `${text}:${masterPort}`,
    "MASTER_ADDR",
    own,
  );
}

function holdsPort(env: Environment): boolean {
  return /^(true|1)$/i.test(textIn(env, "TORCHELASTIC_USE_AGENT_STORE") ?? "");
}

function meetingAt(
  master: Address | undefined,
  { rank, size }: { rank: number; size: number },
): Meeting {
  if (master) return { kind: "tcp", address: master };
  if (size === 1) {
    return { kind: "static", addresses: [{ host: "127.0.0.1", port: DEFAULT_PORT }] };
  }
  throw new UserError({
    place: `RANK=${rank}`,
    problem: `WORLD_SIZE=${size}, but nothing says how to find the others`,
    remedy: "set MASTER_ADDR and MASTER_PORT, or give --rendezvous",
  });
}

/**
 * RANK without WORLD_SIZE, or the other way round, is nobody's launch. Beside another launcher it may
 * stand if it says the same.
 *
 * @throws UserError if it does not, or if nothing else says what is missing.
 */
export function requireAgreement(env: Environment, launch: Launch | undefined): void {
  const [rank, size] = [numberIn(env, "RANK"), numberIn(env, "WORLD_SIZE")];
  if ((rank === undefined) === (size === undefined)) return;
  const [is, says, missing] =
    rank === undefined
      ? [`WORLD_SIZE=${size}`, size === launch?.size, "RANK"]
      : [`RANK=${rank}`, rank === launch?.rank, "WORLD_SIZE"];
  if (says || is === "WORLD_SIZE=1") return;
  if (!launch) throw halfSet(is, missing);
  throw new UserError({
    place: is,
    problem: `contradicts ${launch.source}, by which this is rank ${launch.rank} of ${launch.size}`,
    remedy: "unset it, or set both RANK and WORLD_SIZE",
  });
}
