import { clusterCertificates as config } from "../config/schemas/cluster_certificates.ts";
import { command } from "./command.ts";

export const clusterCertificates = command({
  name: "cluster certificates",
  summary: "write certificates by which the peers of a cluster know each other",
  config,
  async run({ out, peers, days }, terminal) {
    // Costs 30 ms to load, which no other command should pay.
    const { makeCertificates } = await import("../../cluster/certificates/make_certificates.ts");
    const names = peers.split(",").map((name) => name.trim());
    const { newAuthority, until } = await makeCertificates({ folder: out, peers: names, days });
    if (newAuthority) terminal.line(`${out}/ca.pem: a new authority; keep ca-key.pem to yourself`);
    const day = until.toISOString().slice(0, 10);
    terminal.line(`${out}: certificates of ${names.join(", ")}, until ${day}`);
    terminal.line("give each peer ca.pem and its own two files, by a way that nobody else reads");
  },
});
