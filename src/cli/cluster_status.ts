import { DEFAULT_PORT } from "../../cluster/rendezvous/world.ts";
import { clusterStatus as config } from "../config/schemas/cluster_status.ts";
import { command } from "./command.ts";
import { statusLines } from "./status_lines.ts";

export const clusterStatus = command({
  name: "cluster status",
  summary: "ask a peer of a running job for its members, their progress and faults",
  config,
  async run({ address: text, json, ...flags }, terminal) {
    // Sockets and their protocol are not loaded by commands that need none.
    const [{ askStatus }, { parseAddress }, { refuseStrangers, securityOf }] = await Promise.all([
      import("../../cluster/peer/ask_status.ts"),
      import("../../cluster/rendezvous/parse_address.ts"),
      import("../../cluster/transport/security_flags.ts"),
    ]);
    const address = parseAddress(text, "address", DEFAULT_PORT);
    const security = securityOf(flags);
    const problem = (host: string) =>
      `${host} is no loopback address, and nothing says who answers there`;
    refuseStrangers([address.host], security, flags, problem);
    const report = await askStatus(address, security);
    if (json) terminal.line(JSON.stringify(report));
    else for (const line of statusLines(report)) terminal.line(line);
  },
});
