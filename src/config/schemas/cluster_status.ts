import { z } from "zod";
import { clusterSecurity } from "./cluster_security.ts";

/** What one asks a peer of a job, and how one proves that one may. */
export const clusterStatus = z.strictObject({
  address: z
    .string()
    .describe("where any peer of the job listens, as host:port")
    .meta({ positional: true }),
  json: z.boolean().default(false).describe("the peer's answer as it is, for programs"),
  ...clusterSecurity.shape,
});
