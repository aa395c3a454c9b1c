import { z } from "zod";
import { clusterSecurity } from "./cluster_security.ts";

/** Training by several processes: who they are, and how they find each other. */
export const cluster = z.strictObject({
  peers: z
    .string()
    .optional()
    .describe(
      "addresses of all peers by rank, as host:port,host:port; an IPv6 address stands in brackets, a port may be missing",
    )
    .meta({ placeholder: "ADDRESSES" }),
  rank: z
    .int()
    .min(0)
    .optional()
    .describe(
      "which peer this process is, from 0 (unset: as Slurm, Kubernetes, torchrun or mpirun say, else --rendezvous gives ranks out)",
    ),
  world_size: z
    .int()
    .min(1)
    .optional()
    .describe("number of peers that --rendezvous waits for (1: alone, whatever the launcher says)"),
  rendezvous: z
    .string()
    .optional()
    .describe(
      "where peers find each other: tcp://host:port, where rank 0 listens, or file:///folder, which all machines share",
    )
    .meta({ placeholder: "PLACE" }),
  port: z
    .int()
    .min(0)
    .max(65535)
    .optional()
    .describe(
      "port to listen on; further processes of a machine take the next ones (unset: 29400, or any that is free where --rendezvous tells it to the others)",
    ),
  job: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, "must be of letters, digits, dots and hyphens")
    .optional()
    .describe("name of the job: peers of another one are refused (unset: the launcher's, or weft)")
    .meta({ placeholder: "NAME" }),
  join: z
    .boolean()
    .default(false)
    .describe(
      "come to a cluster that is at work: --peers says where it is, --rank is a free number",
    ),
  wire: z
    .enum(["f32", "bf16", "int8"])
    .default("bf16")
    .describe(
      "how gradients are written on the network (f32: exactly; int8: keeps what it rounds off)",
    ),
  reproducible: z
    .boolean()
    .default(false)
    .describe(
      "sum gradients micro-batch by micro-batch in one order: equal bits whoever computes what (f32, bf16); takes memory for half the gradients of each batch of an update",
    ),
  sync_every: z
    .int()
    .min(1)
    .default(1)
    .describe(
      "updates that each peer makes by itself between two exchanges, for slow networks (1: none)",
    ),
  outer_lr: z
    .number()
    .min(0)
    .default(0.7)
    .describe("rate of the step that all make together after --sync-every updates"),
  outer_momentum: z.number().min(0).max(1).default(0.9).describe("Nesterov momentum of that step"),
  batch_shards: z
    .int()
    .min(1)
    .optional()
    .describe(
      "batches that --update-freq multiplies (unset: as many as there are peers when training begins)",
    ),
  max_peers: z
    .int()
    .min(1)
    .default(16)
    .describe("peers that memory is set aside for; more may be needed if others join later"),
  peer_timeout: z
    .number()
    .min(0.2)
    .default(10)
    .describe("seconds after which a peer that says nothing is held to be dead"),
  start_timeout: z
    .number()
    .min(1)
    .default(600)
    .describe(
      "seconds to wait for all peers at the start, and for the others once this one is cut off from them",
    ),
  hang_timeout: z
    .number()
    .min(1)
    .default(1800)
    .describe(
      "seconds after which a peer ends whose training gives no sign: more than the first batch takes to compile, and a checkpoint to be written",
    ),
  fence: z
    .string()
    .optional()
    .describe(
      "register that decides which side of a divided cluster goes on: file:///shared/folder or etcd://host:2379/key",
    )
    .meta({ placeholder: "PLACE" }),
  ...clusterSecurity.shape,
});

export type ClusterConfig = z.output<typeof cluster>;
