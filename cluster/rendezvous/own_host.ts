// By which address others reach this machine, where a peer listens on all of them.
import { lookup } from "node:dns/promises";
import { hostname, networkInterfaces } from "node:os";

/** 0.0.0.0 and ::, and nothing at all. */
export function isUnspecified(host: string): boolean {
  return host === "" || host === "0.0.0.0" || host === "::";
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\./.test(host);
}

/** Whether a name or a number is this machine's. A name that nobody knows is not. */
export async function isOfThisMachine(host: string): Promise<boolean> {
  const own = new Set(interfaces().map(({ address }) => address));
  return (await numbersOf(host)).some((number) => own.has(number) || isLoopback(number));
}

/**
 * The address to tell machines elsewhere: that of the machine's name, if it is not a loopback, else that
 * of the first interface that leads out, IPv4 first. Without a network, 127.0.0.1.
 */
export async function outwardHost(): Promise<string> {
  const outward = interfaces()
    .filter(({ internal, address }) => !internal && !/^fe80:/i.test(address))
    .map(({ address }) => address);
  const named = await numbersOf(hostname());
  const chosen =
    named.find((address) => outward.includes(address)) ??
    outward.find((address) => !address.includes(":")) ??
    outward[0];
  return chosen ?? "127.0.0.1";
}

function interfaces() {
  return Object.values(networkInterfaces()).flatMap((each) => each ?? []);
}

async function numbersOf(host: string): Promise<string[]> {
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch {
    return []; // nobody knows the name
  }
}
