import { expect, test } from "bun:test";
import { meet } from "../../../cluster/rendezvous/meet.ts";
import { isUnspecified } from "../../../cluster/rendezvous/own_host.ts";
import { resolveWorld } from "../../../cluster/rendezvous/resolve_world.ts";

/** How the process of a rank meets 127.0.0.1:29400 and :29401, where it listens on `host`. */
async function met(rank: number, host: string) {
  const peers = "127.0.0.1:29400,127.0.0.1:29401";
  const world = resolveWorld({}, { peers, rank, join: true });
  if (!world) throw new Error("alone");
  return await meet(world, { host, port: 4711 }, { timeoutSeconds: 1, say: () => undefined });
}

test("who joins tells where it is itself: it stands in no list", async () => {
  const local = await met(3, "127.0.0.1");
  expect(local.own).toEqual({ host: "127.0.0.1", port: 4711 });
  expect([local.rank, local.localRank, local.addresses.length]).toEqual([3, 2, 2]);
  const outward = await met(3, "0.0.0.0");
  expect(isUnspecified(outward.own.host)).toBe(false);
  expect((await met(1, "127.0.0.1")).own.port).toBe(29401);
});
