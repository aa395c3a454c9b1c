import { z } from "zod";

/** How those who speak to each other in a cluster know one another. */
export const clusterSecurity = z.strictObject({
  tls_cert: z
    .string()
    .optional()
    .describe("this peer's certificate, from weft cluster certificates")
    .meta({ placeholder: "FILE" }),
  tls_key: z
    .string()
    .optional()
    .describe("the certificate's private key")
    .meta({ placeholder: "FILE" }),
  tls_ca: z
    .string()
    .optional()
    .describe("certificate of the authority that all peers' certificates come from")
    .meta({ placeholder: "FILE" }),
  cluster_secret_file: z
    .string()
    .optional()
    .describe("file of a secret that all peers share, instead of certificates, on a closed network")
    .meta({ placeholder: "FILE" }),
  insecure: z
    .boolean()
    .default(false)
    .describe("let anyone who reaches the port be a peer, beyond this machine, too"),
});

export type ClusterSecurityFlags = z.output<typeof clusterSecurity>;
