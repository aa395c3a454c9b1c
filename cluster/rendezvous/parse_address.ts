import { isIPv6 } from "node:net";
import { UserError } from "../../src/config/user_error.ts";
import type { Address } from "../transport/transport.ts";

/**
 * "host:29400", "10.0.0.7", "[::1]:29400".
 *
 * @param place where it was given, for the error.
 * @param defaultPort for an address without one; undefined if it must have one.
 */
export function parseAddress(
  text: string,
  place: string,
  defaultPort: number | undefined,
): Address {
  const address = split(text, defaultPort);
  if (address) return address;
  const isBareIPv6 = isIPv6(text.trim());
  throw new UserError({
    place,
    problem: `${JSON.stringify(text)} is not an address`,
    remedy: isBareIPv6
      ? `put an IPv6 address in brackets: [${text.trim()}]:29400`
      : "write host:port, such as node1:29400 or [::1]:29400",
  });
}

function split(text: string, defaultPort: number | undefined): Address | undefined {
  const match = /^(?:\[([^\]]+)\]|([A-Za-z0-9._-]{1,253}))(?::(\d{1,5}))?$/.exec(text.trim());
  if (!match) return undefined;
  const [, inBrackets, name, digits] = match;
  const host = inBrackets ?? name;
  if (inBrackets !== undefined && !isIPv6(inBrackets)) return undefined;
  const port = digits === undefined ? defaultPort : Number(digits);
  return port !== undefined && port > 0 && port <= 65535 ? { host, port } : undefined;
}
