import { z } from "zod";

const share = z.number().min(0).max(1);

/** A job that is not run: its peers, its network, what it trains, and what befalls it. */
export const clusterSimulate = z.strictObject({
  peers: z
    .string()
    .regex(/^\d+(,\d+)*$/, "must be numbers with commas between them")
    .default("2,4,8,16")
    .describe("numbers of peers, each of which is simulated; up to 4096")
    .meta({ placeholder: "N,..." }),
  parameters: z.int().min(1).default(30_000_000).describe("size of the model"),
  wire: z
    .enum(["f32", "bf16", "int8"])
    .default("bf16")
    .describe("how gradients are written on the network"),
  algorithm: z
    .enum(["auto", "direct", "ring"])
    .default("auto")
    .describe(
      "how they are summed (auto: as training does, directly up to 16 peers, else in a ring)",
    ),
  bandwidth: z
    .number()
    .positive()
    .default(10e9)
    .describe("bits per second of each peer's network interface, each way"),
  latency: z.number().positive().default(50e-6).describe("seconds from one peer to another"),
  compute: z
    .number()
    .positive()
    .default(0.5)
    .describe("seconds that a peer computes for an update while all are there"),
  update_freq: z
    .int()
    .min(1)
    .default(4)
    .describe("micro-batches per peer of which an update is made"),
  compute_spread: z
    .number()
    .min(0)
    .default(0)
    .describe("standard deviation of a micro-batch's time, as a share of it"),
  backward: share
    .default(0.5)
    .describe(
      "last share of a micro-batch's time in which its gradients become final (0: all at its end, as beside a GPU)",
    ),
  message_cost: z
    .number()
    .min(0)
    .default(30e-6)
    .describe("seconds that the communication thread spends on a message sent or received"),
  byte_cost: z
    .number()
    .min(0)
    .optional()
    .describe(
      "seconds that it spends on each of its bytes (unset: as measured, 0.8e-9 for f32, 1.2e-9 for bf16, 1.8e-9 for int8)",
    ),
  failures: z.int().min(0).default(3).describe("failures to simulate, one after another"),
  failures_per_hour: z
    .number()
    .positive()
    .default(2)
    .describe("how many there are in an hour, of all peers together, at random"),
  silent_failures: share
    .default(0)
    .describe("share of them that close no connection, as when a machine loses its power"),
  restart: z
    .number()
    .min(0)
    .default(60)
    .describe("seconds after which a process that failed is there again"),
  peer_timeout: z
    .number()
    .min(0.2)
    .default(10)
    .describe("seconds after which a peer that says nothing is held to be dead"),
  updates: z.int().min(1).default(3).describe("updates that are measured, after one that is not"),
  seed: z.int().min(0).default(1).describe("seed of what is random"),
});

export type ClusterSimulateConfig = z.output<typeof clusterSimulate>;
