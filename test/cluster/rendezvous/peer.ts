// One process of a meeting: PLACE SIZE RANK PORT, where a rank of - is to be given out, and a PLACE is as
// --rendezvous has it. Prints what it was told, and stays until it is ended, or with "leave" goes at once.
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { meet } from "../../../cluster/rendezvous/meet.ts";
import { resolveWorld } from "../../../cluster/rendezvous/resolve_world.ts";

const [rendezvous, size, rank, port, leave] = process.argv.slice(2);
const world = resolveWorld(
  {},
  { rendezvous, world_size: Number(size), rank: rank === "-" ? undefined : Number(rank) },
);
if (!world) throw new Error("this is a cluster");
const met = await meet(
  world,
  { host: "127.0.0.1", port: Number(port) },
  { timeoutSeconds: 20, graceSeconds: 1.5, say: (line) => console.log(`said ${line}`) },
);
const addresses = met.addresses.map((address) => address.port);
console.log(`met ${JSON.stringify({ rank: met.rank, addresses })}`);
if (leave !== "leave") await setTimeout(60_000);
