// What --tls-cert, --cluster-secret-file and --insecure say.
import { readFileSync } from "node:fs";
import type { ClusterSecurityFlags } from "../../src/config/schemas/cluster_security.ts";
import { UserError } from "../../src/config/user_error.ts";
import type { Security } from "./security.ts";

/** @throws UserError if files are missing or say too little. */
export function securityOf(flags: ClusterSecurityFlags): Security {
  const { tls_cert, tls_key, tls_ca, cluster_secret_file } = flags;
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

export const isLoopback = (host: string): boolean =>
  /^(127\.\d+\.\d+\.\d+|localhost|::1)$/.test(host);

/**
 * Beyond this machine both ends know each other, unless the user says otherwise.
 *
 * @param problem what is wrong with the first host that is elsewhere.
 * @throws UserError
 */
export function refuseStrangers(
  hosts: readonly string[],
  { kind }: Security,
  { insecure }: ClusterSecurityFlags,
  problem: (host: string) => string,
): void {
  if (kind !== "plain" || insecure) return;
  const open = hosts.find((host) => !isLoopback(host));
  if (open === undefined) return;
  throw new UserError({
    place: "cluster",
    problem: problem(open),
    remedy:
      "give --tls-cert, --tls-key and --tls-ca (weft cluster certificates makes them), " +
      "--cluster-secret-file on a closed network, or --insecure",
  });
}
