// What peers and the meeting's host say to each other over TCP, a line of JSON each.
//
//   peer -> host   hello: who it is; once, first
//                  here: an answer to `alive`
//   host -> peer   wait: who has come so far
//                  roster: all have, with ranks and addresses
//                  alive: another claims this peer's rank; does it live?
//                  refused: with the reason; last
//
// Nothing here is secret or proves anything: connections between the peers themselves do that.
import { z } from "zod";

const address = z.strictObject({
  host: z.string().regex(/^[A-Za-z0-9.:%_-]{1,255}$/),
  port: z.int().min(1).max(65535),
});

const rank = z.int().min(0).max(1_000_000);

const guest = z.strictObject({ rank: rank.optional(), address });

export const hello = z.strictObject({
  kind: z.literal("hello"),
  version: z.literal(1),
  job: z.string().max(256),
  size: z.int().min(1).max(1_000_000),
  /** Drawn by the process when it starts: a restarted one is another. */
  process: z.string().regex(/^[0-9a-f]{16}$/),
  rank: rank.optional(),
  address,
  /** What a peer knows already when a new host takes over from one that has died. */
  roster: z.array(address).optional(),
});

export const here = z.strictObject({ kind: z.literal("here") });

export const toPeer = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("wait"), here: z.array(guest) }),
  z.strictObject({ kind: z.literal("roster"), rank, addresses: z.array(address) }),
  z.strictObject({ kind: z.literal("alive") }),
  z.strictObject({ kind: z.literal("refused"), problem: z.string(), remedy: z.string() }),
]);

export type Hello = z.output<typeof hello>;

/** Who asks for a place. */
export type Seeker = Pick<Hello, "process" | "rank" | "address">;
export type ToPeer = z.output<typeof toPeer>;

/** Bytes of the longest line that a meeting of so many peers needs. */
export function maxLine(size: number): number {
  return 1024 + 400 * size;
}
