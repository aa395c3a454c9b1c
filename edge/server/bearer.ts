import type { MiddlewareHandler } from "hono";
import { bearerAuth } from "hono/bearer-auth";
import { UserError } from "../../src/config/user_error.ts";
import { notAuthorized } from "./refusals.ts";

/**
 * Lets requests pass that bear one of the tokens. Digests are compared, all of them to the last
 * byte: neither a token's beginning nor its place in the list shows in the time.
 *
 * @throws UserError for tokens that no request could bear, and for an empty list, which may be a
 *   file that was cut.
 */
export function requireBearer(tokens: readonly string[]): MiddlewareHandler {
  requireUsable(tokens);
  let known: Uint8Array[] | undefined;
  const refuse = { message: () => notAuthorized().response() };
  return bearerAuth({
    async verifyToken(given) {
      // Made at the first request: workerd digests nothing before.
      known ??= await Promise.all(tokens.map(sha256));
      const digest = await sha256(given);
      return known.map((each) => difference(each, digest)).includes(0);
    },
    noAuthenticationHeader: refuse,
    invalidAuthenticationHeader: refuse,
    invalidToken: refuse,
  });
}

function requireUsable(tokens: readonly string[]): void {
  const place = "tokens";
  if (tokens.length === 0) {
    const remedy = "name at least one, or leave tokens out to serve everybody";
    throw new UserError({ place, problem: "the list is empty", remedy });
  }
  const wrong = tokens.findIndex((token) => !/^[A-Za-z0-9._~+/-]+=*$/.test(token));
  if (wrong < 0) return;
  const remedy = "use letters, digits and . _ ~ + / -, as RFC 6750 has it";
  // Not shown: it is a secret, if a bad one.
  throw new UserError({ place, problem: `token ${wrong + 1} cannot stand in a header`, remedy });
}

async function sha256(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

/** 0 only for equal bytes. */
function difference(a: Uint8Array, b: Uint8Array): number {
  return a.reduce((bits, byte, i) => bits | (byte ^ b[i]), 0);
}
