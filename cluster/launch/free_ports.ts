import { once } from "node:events";
import { createServer } from "node:net";
import { UserError } from "../../src/config/user_error.ts";

/**
 * Ports that are looked at: below those from which systems take one for whoever does not care, so that a
 * port which is free now is still free when its process listens.
 */
const FIRST = 20_000;
const COUNT = 12_000;

/** Ports of 127.0.0.1 that nobody listens on. @throws UserError if there are not as many. */
export async function freePorts(count: number): Promise<number[]> {
  const free: number[] = [];
  const start = Math.floor(Math.random() * COUNT);
  for (let i = 0; i < COUNT && free.length < count; i++) {
    const port = FIRST + ((start + i) % COUNT);
    if (await isFree(port)) free.push(port);
  }
  if (free.length === count) return free;
  throw new UserError({
    place: `-n ${count}`,
    problem: `only ${free.length} ports from ${FIRST} on are free`,
    remedy: "end what listens there, or start fewer processes",
  });
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch {
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}
