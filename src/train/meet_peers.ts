// Which cluster this process belongs to, if any, and its way into it.
import { readFileSync } from "node:fs";
import process from "node:process";
import { Cluster } from "../../cluster/peer/cluster.ts";
import { meet } from "../../cluster/rendezvous/meet.ts";
import { resolveWorld } from "../../cluster/rendezvous/resolve_world.ts";
import type { World } from "../../cluster/rendezvous/world.ts";
import type { Security } from "../../cluster/transport/security.ts";
import type { Address } from "../../cluster/transport/transport.ts";
import type { ClusterConfig } from "../config/schemas/cluster.ts";
import { UserError } from "../config/user_error.ts";

/** A process that knows where the others are. */
export interface Meeting {
  readonly cluster: Cluster;
  readonly config: ClusterConfig;
  readonly job: string;
  readonly rank: number;
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
 * @throws UserError on contradicting flags or variables, unreadable files, an address in use, or if the
 * others do not come.
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
  const own = await cluster.listen(listeningAddress(world), security);
  const timeoutSeconds = config.start_timeout;
  const { rank, addresses, close } = await meet(world, own, { timeoutSeconds, say });
  say(
    `rank ${rank} of ${world.size} by ${world.source}: listening on ${own.host}:${own.port}, ` +
      `${SECURED[security.kind]}`,
  );
  return {
    ...{ cluster, config, job: world.job, rank, size: world.size, close },
    own: addresses[rank] ?? own,
    addresses: [...addresses.entries()],
  };
}

const SECURED: Readonly<Record<Security["kind"], string>> = {
  plain: "neither encrypted nor authenticated",
  tls: "mutual TLS",
  secret: "peers know a secret, nothing is encrypted",
};

/** @throws UserError if files are missing or say too little. */
function securityOf(config: ClusterConfig): Security {
  const { tls_cert, tls_key, tls_ca, cluster_secret_file } = config;
  const tls = { "--tls-cert": tls_cert, "--tls-key": tls_key, "--tls-ca": tls_ca };
  const missing = Object.entries(tls).filter(([, path]) => path === undefined);
  if (missing.length === 0) {
    const [cert, key, ca] = Object.entries(tls).map(([flag, path]) => readText(flag, path ?? ""));
    return { kind: "tls", cert, key, ca };
  }
  if (missing.length < 3) {
    throw new UserError({
      place: missing[0][0],
      problem: "is missing beside the other two",
      remedy: "give --tls-cert, --tls-key and --tls-ca; weft cluster certificates makes them",
    });
  }
  if (cluster_secret_file === undefined) return { kind: "plain" };
  const secret = readText("--cluster-secret-file", cluster_secret_file).trim();
  if (secret.length >= 16) return { kind: "secret", secret: new TextEncoder().encode(secret) };
  throw new UserError({
    place: `--cluster-secret-file ${cluster_secret_file}`,
    problem: `holds ${secret.length} characters, which can be guessed`,
    remedy: "write at least 16 random ones: openssl rand -hex 32",
  });
}

function readText(flag: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const problem = `cannot be read: ${(cause as Error).message}`;
    throw new UserError({ place: `${flag} ${path}`, problem, remedy: "give a file that is there" });
  }
}

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|localhost|::1)$/;

/** Beyond this machine, peers are authenticated unless the user says otherwise. */
function refuseOpenDoors(
  { meeting }: World,
  { kind }: Security,
  { insecure }: ClusterConfig,
): void {
  if (kind !== "plain" || insecure) return;
  const hosts =
    meeting.kind === "static"
      ? meeting.addresses.map(({ host }) => host)
      : [meeting.kind === "tcp" ? meeting.address.host : "0.0.0.0"];
  const open = hosts.find((host) => !LOOPBACK.test(host));
  if (open === undefined) return;
  throw new UserError({
    place: "cluster",
    problem:
      meeting.kind === "file"
        ? "peers of several machines would exchange gradients without knowing each other"
        : `${open} is not this machine, and nothing says who may be a peer`,
    remedy:
      "give --tls-cert, --tls-key and --tls-ca (weft cluster certificates makes them), " +
      "--cluster-secret-file on a closed network, or --insecure",
  });
}

/** Loopback only where all peers are on it, else every address of this machine. */
function listeningAddress({ meeting, rank, port }: World): Address {
  const known =
    meeting.kind === "static" && rank !== undefined ? meeting.addresses[rank] : undefined;
  const isLocal =
    known !== undefined
      ? LOOPBACK.test(known.host)
      : meeting.kind === "tcp" && LOOPBACK.test(meeting.address.host);
  return { host: isLocal ? (known?.host ?? "127.0.0.1") : "0.0.0.0", port };
}
