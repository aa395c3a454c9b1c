import { z } from "zod";

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
});

export type ClusterConfig = z.output<typeof cluster>;
