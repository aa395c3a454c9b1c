// Linux's struct sockaddr_in and sockaddr_in6.
import { isIPv4, isIPv6 } from "node:net";
import type { Address } from "./transport.ts";

const AF_INET = 2;
const AF_INET6 = 10;

export const MAX_ADDRESS_BYTES = 28;

export const familyOf = (ip: string): number => (isIPv4(ip) ? AF_INET : AF_INET6);

/** @param address with an IP address of version 4 or 6, no name. @throws RangeError */
export function encodeAddress({ host, port }: Address): Uint8Array {
  if (isIPv4(host)) {
    const bytes = new Uint8Array(16);
    head(bytes, AF_INET, port);
    bytes.set(host.split(".").map(Number), 4);
    return bytes;
  }
  if (!isIPv6(host) || host.includes("%")) throw new RangeError(`${host} is no IP address`);
  const bytes = new Uint8Array(MAX_ADDRESS_BYTES);
  head(bytes, AF_INET6, port);
  bytes.set(bytesOfIPv6(host), 8);
  return bytes;
}

export function decodeAddress(bytes: Uint8Array): Address {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const port = view.getUint16(2);
  if (view.getUint16(0, true) === AF_INET) return { host: bytes.slice(4, 8).join("."), port };
  const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(8 + 2 * i));
  // A caller by version 4 at a listener of both.
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return { host: bytes.slice(20, 24).join("."), port };
  }
  return { host: textOfIPv6(groups), port };
}

function head(bytes: Uint8Array, family: number, port: number): void {
  const view = new DataView(bytes.buffer);
  view.setUint16(0, family, true);
  view.setUint16(2, port);
}

function bytesOfIPv6(text: string): number[] {
  // The last four bytes may be written as version 4.
  const dotted = /[^:]*\.[^:]*$/.exec(text)?.[0];
  const plain = dotted === undefined ? text : text.slice(0, -dotted.length);
  const [before, after] = plain.split("::").map((side) =>
    side
      .split(":")
      .filter((group) => group !== "")
      .flatMap((group) => {
        const number = Number.parseInt(group, 16);
        return [number >> 8, number & 255];
      }),
  );
  const end = [...(after ?? []), ...(dotted?.split(".").map(Number) ?? [])];
  return [...before, ...Array<number>(16 - before.length - end.length).fill(0), ...end];
}

/** As URLs have it: the longest run of zeros is left out. */
function textOfIPv6(groups: readonly number[]): string {
  const { hostname } = new URL(`http://[${groups.map((group) => group.toString(16)).join(":")}]`);
  return hostname.slice(1, -1);
}
