// How the peers of a job learn each other's addresses.
import type { Address } from "../transport/transport.ts";
import { meetInFolder } from "./file_meeting.ts";
import { isOfThisMachine, isUnspecified, outwardHost } from "./own_host.ts";
import { Patience } from "./patience.ts";
import type { Roster, Say } from "./roster.ts";
import { meetOverTcp } from "./tcp_meeting.ts";
import type { World } from "./world.ts";

export interface MeetOptions {
  /** How long to wait for the others. */
  readonly timeoutSeconds: number;
  readonly signal?: AbortSignal;
  /**
   * How long a living process may take to answer, 3 by default: so long a rank waits for the process that
   * has had it before another may take it.
   */
  readonly graceSeconds?: number;
  readonly say: Say;
}

/** What `meet` tells. */
export interface Met extends Roster {
  /** Number of this process among those of its machine: the world's, or by the addresses. */
  readonly localRank: number;
  /** Where the others reach this process. */
  readonly own: Address;
}

/**
 * Waits until all peers of the world have come together, and tells where each listens. A process that is
 * started anew while the others live gets their addresses too, even if one of them has ended meanwhile:
 * that one's is then its last.
 *
 * @param own where this process listens already. If that is all of the machine's addresses, the others
 * are told one that leads to it.
 * @throws TemporaryFailure if some have not come in time, naming them. @throws UserError if another process
 * has the same rank.
 */
export async function meet(world: World, own: Address, options: MeetOptions): Promise<Met> {
  const { meeting } = world;
  const { timeoutSeconds, signal, graceSeconds = 3 } = options;
  const patience = new Patience(timeoutSeconds, signal, graceSeconds * 1000);
  signal?.throwIfAborted();
  switch (meeting.kind) {
    case "static": {
      const { addresses } = meeting;
      if (world.rank === undefined) throw new RangeError("a list of addresses gives out no ranks");
      return asMet(world, own, { rank: world.rank, addresses, close: () => undefined });
    }
    case "tcp": {
      const roster = await meetOverTcp(world, meeting.address, own, patience, options.say);
      return asMet(world, own, roster);
    }
    case "file": {
      const roster = await meetInFolder(world, meeting.folder, own, patience, options.say);
      return asMet(world, own, roster);
    }
  }
}

async function addressTold({ host, port }: Address): Promise<Address> {
  return { host: isUnspecified(host) ? await outwardHost() : host, port };
}

async function asMet({ localRank }: World, listening: Address, roster: Roster): Promise<Met> {
  // Who joins is in no list.
  const own = roster.addresses[roster.rank] ?? (await addressTold(listening));
  if (localRank !== undefined) return { ...roster, own, localRank };
  // One machine may be known by several names.
  const before = roster.addresses.slice(0, roster.rank).map(({ host }) => isOfThisMachine(host));
  const here = (await Promise.all(before)).filter((isHere) => isHere);
  return { ...roster, own, localRank: here.length };
}
