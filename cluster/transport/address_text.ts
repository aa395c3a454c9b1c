import type { Address } from "./transport.ts";

/** "10.0.0.7:29400"; an IPv6 address stands in brackets. */
export function addressText({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
