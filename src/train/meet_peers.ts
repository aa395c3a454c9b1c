// Which cluster this process belongs to, if any, and its way into it.
import process from "node:process";
import { Cluster } from "../../cluster/peer/cluster.ts";
import { meet } from "../../cluster/rendezvous/meet.ts";
import { resolveWorld } from "../../cluster/rendezvous/resolve_world.ts";
import type { World } from "../../cluster/rendezvous/world.ts";
import type { Security } from "../../cluster/transport/security.ts";
import { isLoopback, refuseStrangers, securityOf } from "../../cluster/transport/security_flags.ts";
import type { Address } from "../../cluster/transport/transport.ts";
import type { ClusterConfig } from "../config/schemas/cluster.ts";
import { TemporaryFailure } from "../config/temporary_failure.ts";
import { UserError } from "../config/user_error.ts";

/** A process that knows where the others are. */
export interface Meeting {
  readonly cluster: Cluster;
  readonly config: ClusterConfig;
  readonly job: string;
  readonly rank: number;
  /** Number of this process among those of its machine. */
  readonly localRank: number;
  readonly size: number;
  readonly own: Address;
  readonly addresses: readonly (readonly [rank: number, address: Address])[];
  /** Ends the help that others may need to find this one. */
  close(): void;
}

/**
 * Listens, and finds out where the other peers are.
 *
 * @returns undefined for a process that trains alone.
 * @throws UserError on contradicting flags or variables, unreadable files, an address in use.
 * @throws TemporaryFailure if the others do not come.
 */
export async function meetPeers(
  config: ClusterConfig,
  say: (line: string) => void,
): Promise<Meeting | undefined> {
  const world = resolveWorld(process.env, config);
  if (!world) return undefined;
  if (config.reproducible && config.wire === "int8") {
    throw new UserError({
      place: "--reproducible",
      problem: "contradicts --wire int8, whose rounding depends on what was sent before",
      remedy: "choose --wire bf16 or f32, or leave --reproducible out",
    });
  }
  const security = securityOf(config);
  refuseOpenDoors(world, security, config);
  const cluster = Cluster.open(say);
  const listening = await cluster
    .listen(listeningAddress(world), security, config.sockets)
    .catch((error: Error) => declineByList(cluster, world, error, say));
  const timeoutSeconds = config.start_timeout;
  const met = await meet(world, listening, { timeoutSeconds, say });
  const { rank, localRank, own, addresses, close } = met;
  const which = rank < world.size ? `${rank} of ${world.size}` : `${rank}, which is new,`;
  say(
    `rank ${which} by ${world.source}: listening on ${listening.host}:${listening.port}, ` +
      `${SECURED[security.kind]}`,
  );
  return {
    ...{ cluster, job: world.job, rank, localRank, size: world.size, close },
    config: { ...config, fence: config.fence ?? world.fence },
    own,
    addresses: [...addresses.entries()],
  };
}

const SECURED: Readonly<Record<Security["kind"], string>> = {
  plain: "neither encrypted nor authenticated",
  tls: "mutual TLS",
  secret: "peers know a secret, nothing is encrypted",
};

/** @throws UserError if peers of other machines would come in without proving who they are. */
function refuseOpenDoors({ meeting }: World, security: Security, config: ClusterConfig): void {
  if (meeting.kind === "file") {
    const problem = "peers of several machines would exchange gradients without knowing each other";
    refuseStrangers(["0.0.0.0"], security, config, () => problem);
    return;
  }
  const addresses = meeting.kind === "static" ? meeting.addresses : [meeting.address];
  refuseStrangers(
    addresses.map(({ host }) => host),
    security,
    config,
    (host) => `${host} is no loopback address, and nothing says who may be a peer`,
  );
}

/** Loopback only where the peers are on it, else every address of this machine. */
function listeningAddress({ meeting, rank, port }: World): Address {
  if (meeting.kind === "file") return { host: "0.0.0.0", port };
  const addresses = meeting.kind === "static" ? meeting.addresses : [meeting.address];
  const known = meeting.kind === "static" && rank !== undefined ? addresses[rank] : undefined;
  // One that joins is in no list: it is where all others are.
  const isLocal = (known ? [known] : addresses).every(({ host }) => isLoopback(host));
  return { host: isLocal ? (known?.host ?? "127.0.0.1") : "0.0.0.0", port };
}

/**
 * Ends this peer's part in the job, and the job where it has not begun. What one machine lacks, its disk, its
 * memory, need not end a job at work: the others go on without it.
 */
export async function giveUp(
  { cluster, rank, addresses }: Pick<Meeting, "cluster" | "rank" | "addresses">,
  error: Error,
  say: (line: string) => void,
): Promise<void> {
  const reason = `rank ${rank} has failed: ${error.message}`;
  const isMistake = error instanceof UserError && !(error instanceof TemporaryFailure);
  if (cluster.generation > 0) await cluster.leave(reason);
  else if (cluster.hasStarted) await cluster.stopAll(reason, isMistake);
  else {
    say(`${reason.split("\n", 1)[0]} telling the other peers, which may take half a minute`);
    const others = addresses.filter(([each]) => each !== rank).map(([, address]) => address);
    await cluster.decline(reason, others);
  }
}

/** A peer that cannot even listen knows where the others are only from a list. @throws the error given. */
async function declineByList(
  cluster: Cluster,
  { meeting, rank }: World,
  error: Error,
  say: (line: string) => void,
): Promise<never> {
  const list = meeting.kind === "static" ? [...meeting.addresses.entries()] : [];
  if (rank !== undefined) await giveUp({ cluster, rank, addresses: list }, error, say);
  throw error;
}
