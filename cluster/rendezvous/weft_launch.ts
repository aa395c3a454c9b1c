// weft launch: what it puts into the environment of its processes, and what they read out of it. Besides
// PyTorch's variables, which plug-ins may know, all addresses: whoever is started again finds the others
// where they were.
import { UserError } from "../../src/config/user_error.ts";
import { addressText } from "../transport/address_text.ts";
import type { Address } from "../transport/transport.ts";
import { type Environment, halfSet, type Launch, numberIn, textIn } from "./launch.ts";
import { parsePeers } from "./static_list.ts";

/** What weft launch tells one of its processes. */
export function environmentOf(
  rank: number,
  addresses: readonly Address[],
  fence: string,
): Record<string, string> {
  return {
    RANK: String(rank),
    LOCAL_RANK: String(rank),
    WORLD_SIZE: String(addresses.length),
    WEFT_PEERS: addresses.map(addressText).join(","),
    WEFT_FENCE: fence,
  };
}

/** @param port of --port; undefined if it was not given. */
export function weftLaunch(env: Environment, port: number | undefined): Launch | undefined {
  const peers = textIn(env, "WEFT_PEERS");
  if (peers === undefined) return undefined;
  const addresses = parsePeers(peers, "WEFT_PEERS", undefined);
  const rank = numberIn(env, "RANK");
  if (rank === undefined) throw halfSet("WEFT_PEERS", "RANK");
  const size = addresses.length;
  return {
    ...{ source: "weft launch", rank, size, sizeFrom: `weft launch -n ${size}` },
    localRank: numberIn(env, "LOCAL_RANK"),
    givesRanks: true,
    job: addressText(addresses[0]),
    fence: textIn(env, "WEFT_FENCE"),
    meeting: () => {
      if (port === undefined) return { kind: "static", addresses };
      throw new UserError({
        place: `--port ${port}`,
        problem: "weft launch has given every process a port of its own",
        remedy: "leave it away, or start the processes one by one, with --peers",
      });
    },
  };
}
