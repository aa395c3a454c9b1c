import { z } from "zod";

/** Certificates for the peers of a cluster. */
export const clusterCertificates = z.strictObject({
  out: z
    .string()
    .describe("folder for them; an authority that is there already makes further ones")
    .meta({ placeholder: "FOLDER" }),
  peers: z
    .string()
    .describe("names of the peers to make certificates for, with commas between them")
    .meta({ placeholder: "NAME,..." }),
  days: z.int().min(1).default(365).describe("how long the peers' certificates hold"),
});
