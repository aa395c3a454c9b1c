// What a peer tells of the job to whoever asks: `weft cluster status`.
import { z } from "zod";
import { phase } from "../membership/messages.ts";

/** What peers count together: updates, or rounds of updates that each makes by itself. */
const stepUnit = z.enum(["update", "round"]);
export type StepUnit = z.infer<typeof stepUnit>;

const peerStatus = z.object({
  rank: z.int(),
  /** Where it was found: "10.0.0.7:29400". */
  address: z.string(),
  /** Whether it is a member of the present view. */
  isMember: z.boolean(),
  /** What it is doing; null if it is not in reach. */
  phase: phase.nullable(),
  /** Made by its last heartbeat. */
  step: z.int().nullable(),
  /** Seconds since it was last heard; null for the peer that answers. */
  heard: z.number().nullable(),
  /** Why it is not in reach. */
  trouble: z.string().nullable(),
});

export const statusReport = z.object({
  job: z.string(),
  /** The peer that answers, and its process. */
  rank: z.int(),
  pid: z.int(),
  phase,
  generation: z.int(),
  /** Made, of what. */
  step: z.int(),
  counts: stepUnit,
  /** Seconds since the peer that answers began. */
  uptime: z.number(),
  /** All that are known, in order of rank. */
  peers: z.array(peerStatus),
  /** What training logged last: losses, rates of all peers, what their exchange came to. */
  progress: z.record(z.string(), z.number()),
  /** The last things that went wrong, each with its time, the oldest first. */
  faults: z.array(z.string()),
});

export type StatusReport = z.infer<typeof statusReport>;
export type PeerStatus = z.infer<typeof peerStatus>;

/** Numbers as JSON has them: a loss may be infinite. */
export const finite = (progress: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(progress).filter(([, value]) => Number.isFinite(value)));
