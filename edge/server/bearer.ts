import type { MiddlewareHandler } from "hono";
import { bearerAuth } from "hono/bearer-auth";
import { notAuthorized } from "./refusals.ts";

/**
 * Lets requests pass that bear one of the tokens. Digests are compared, all of them to the last
 * byte: neither a token's beginning nor its place in the list shows in the time.
 */
export function requireBearer(tokens: readonly string[]): MiddlewareHandler {
  let known: Uint8Array[] | undefined;
  const refuse = { message: () => notAuthorized().response() };
  return bearerAuth({
    async verifyToken(given) {
      // Made at the first request: workerd digests nothing before.
      known ??= await Promise.all(tokens.map(sha256));
      const digest = await sha256(given);
      return known.map((each) => difference(each, digest)).filter((each) => each === 0).length > 0;
    },
    noAuthenticationHeader: refuse,
    invalidAuthenticationHeader: refuse,
    invalidToken: refuse,
  });
}

async function sha256(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

/** 0 only for equal bytes. */
function difference(a: Uint8Array, b: Uint8Array): number {
  return a.reduce((bits, byte, i) => bits | (byte ^ b[i]), 0);
}
