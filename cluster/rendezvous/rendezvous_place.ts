// --rendezvous: a place where peers that do not know each other's addresses leave them.
import { UserError } from "../../src/config/user_error.ts";
import { filePathOf } from "./file_path.ts";
import { type Launch, portFrom } from "./launch.ts";
import { parseAddress } from "./parse_address.ts";
import type { Meeting, World, WorldFlags } from "./world.ts";

/**
 * The world of --rendezvous. How many and which peer: --world-size and --rank, or else the launcher's. A
 * launcher that started another number of processes started only some of the peers, so its ranks are not
 * theirs, and the meeting gives them out.
 *
 * @throws UserError naming the flag that is missing or wrong.
 */
export function rendezvousWorld(
  place: string,
  flags: WorldFlags,
  launch: Launch | undefined,
): World {
  const meeting = parseMeeting(place);
  const size = flags.world_size ?? launch?.size;
  if (size === undefined) {
    throw new UserError({
      place: `--rendezvous ${place}`,
      problem: "does not say how many peers meet there",
      remedy: "add --world-size, and optionally --rank",
    });
  }
  const rank = flags.rank ?? (launch?.size === size ? launch.rank : undefined);
  if (rank !== undefined && rank >= size) {
    throw new UserError({
      place: `--rank ${rank}`,
      problem: `with ${size} peers ranks go from 0 to ${size - 1}`,
      remedy: "count from 0",
    });
  }
  return {
    source: "--rendezvous",
    rank,
    size,
    localRank: launch?.localRank,
    job: flags.job ?? launch?.job ?? "weft",
    meeting,
    port: meetingPort(flags.port, launch?.localRank, meeting),
  };
}

/** What a peer listens on that can tell the others: any free port, unless the user wants a certain one. */
export function meetingPort(
  port: number | undefined,
  localRank = 0,
  meeting: Meeting | undefined = undefined,
): number {
  if (port === undefined) return 0;
  // Where the peers meet at that very port, rank 0 needs another one for itself.
  const isTaken = meeting?.kind === "tcp" && meeting.address.port === port;
  return portFrom(port, localRank + (isTaken ? 1 : 0));
}

function parseMeeting(text: string): Meeting {
  const place = `--rendezvous ${text}`;
  if (/^file:/.test(text)) return { kind: "file", folder: filePathOf(text, place) };
  const [, address] = /^tcp:\/\/([^/]*)\/?$/.exec(text) ?? [];
  if (address === undefined) {
    throw new UserError({
      place,
      problem: "only tcp: and file: are known",
      remedy: "write tcp://host:port, or file:///shared/folder",
    });
  }
  const parsed = parseAddress(address, place, undefined);
  if (!/^(0\.0\.0\.0|::)$/.test(parsed.host)) return { kind: "tcp", address: parsed };
  throw new UserError({
    place,
    problem: `nobody can be called at ${parsed.host}`,
    remedy: "write the address by which the other machines reach that of rank 0",
  });
}
