import process from "node:process";
import { UserError } from "../../src/config/user_error.ts";
import { BunTlsTransport } from "./bun_tls_transport.ts";
import { BunTransport } from "./bun_transport.ts";
import { checkIdentity } from "./check_identity.ts";
import { DenoTlsTransport } from "./deno_tls_transport.ts";
import { DenoTransport } from "./deno_transport.ts";
import { type LibcSockets, LibcTransport } from "./libc_transport.ts";
import { defaultLimits, type Limits } from "./limits.ts";
import { SecretTransport } from "./secret_transport.ts";
import type { Security, TlsIdentity } from "./security.ts";
import type { Transport } from "./transport.ts";

/** What a runtime can do. */
interface Runtime {
  plain(limits: Limits): Transport;
  tls(identity: TlsIdentity, limits: Limits): Transport;
}

const bun: Runtime = {
  plain: (limits) => new BunTransport(limits),
  tls: (identity, limits) => new BunTlsTransport(identity, limits),
};

const deno: Runtime = {
  plain: (limits) => new DenoTransport(limits),
  tls: (identity, limits) => new DenoTlsTransport(identity, limits),
};

/** Shorter ones can be guessed. */
const SHORTEST_SECRET = 16;

export interface TransportOptions {
  readonly limits?: Limits;
  /** To be used instead of the runtime's where there is no TLS. */
  readonly sockets?: LibcSockets | undefined;
}

/**
 * The transport of this runtime, secured in one way.
 * @throws UserError on Node; or if no peer could believe our certificate, or the secret is too short.
 */
export function openTransport(
  security: Security,
  { limits = defaultLimits, sockets }: TransportOptions = {},
): Transport {
  const runtime = thisRuntime();
  const plain = (): Transport =>
    sockets ? new LibcTransport(sockets, limits) : runtime.plain(limits);
  switch (security.kind) {
    case "plain":
      return plain();
    case "tls":
      checkIdentity(security);
      return runtime.tls(security, limits);
    case "secret":
      checkSecret(security.secret);
      return new SecretTransport(plain(), security.secret, limits);
  }
}

/** Mutual TLS by a certificate that nobody may believe: so that others see for themselves what is wrong. */
export const openUnbelieved = (identity: TlsIdentity): Transport =>
  thisRuntime().tls(identity, defaultLimits);

function thisRuntime(): Runtime {
  if ("Bun" in globalThis) return bun;
  if ("Deno" in globalThis) return deno;
  throw new UserError({
    place: `Node ${process.version}`,
    problem: "peers exchange gradients on Bun and Deno only",
    remedy: "start the same command with bun, or with deno run -A",
  });
}

function checkSecret({ length }: Uint8Array): void {
  if (length >= SHORTEST_SECRET) return;
  throw new UserError({
    place: "the secret of the cluster",
    problem: `${length} bytes can be guessed`,
    remedy: `give at least ${SHORTEST_SECRET} random ones, as from openssl rand -hex 32`,
  });
}
