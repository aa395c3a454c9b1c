// --peers: all addresses by rank.
import { UserError } from "../../src/config/user_error.ts";
import { addressText } from "../transport/address_text.ts";
import type { Address } from "../transport/transport.ts";
import type { Launch } from "./launch.ts";
import { parseAddress } from "./parse_address.ts";
import { DEFAULT_PORT, type World, type WorldFlags } from "./world.ts";

/**
 * The world of --peers. The rank is --rank, or the launcher's if it started as many.
 *
 * @throws UserError naming the flag that is missing or wrong.
 */
export function staticWorld(peers: string, flags: WorldFlags, launch: Launch | undefined): World {
  const addresses = parsePeers(peers, `--peers ${peers}`, flags.port);
  const size = addresses.length;
  if (flags.world_size !== undefined && flags.world_size !== size) {
    throw new UserError({
      place: `--world-size ${flags.world_size}`,
      problem: `contradicts --peers, which has ${size} addresses`,
      remedy: "leave --world-size away, or list as many",
    });
  }
  const rank = flags.rank ?? rankFrom(launch, size);
  const { port = 0, join = false } = flags;
  const common = {
    ...{ source: "--peers", rank, size, job: flags.job ?? launch?.job ?? "weft" },
    meeting: { kind: "static", addresses },
  } as const;
  // The others learn from itself where it is.
  if (join && rank >= size) return { ...common, localRank: undefined, port };
  if (rank >= size) {
    throw new UserError({
      place: `--rank ${rank}`,
      problem: `--peers has ${size} addresses, whose ranks go from 0 to ${size - 1}`,
      remedy: "count from 0, or add --join to come to a job at work",
    });
  }
  const own = addresses[rank];
  if (flags.port !== undefined && addresses.every((each) => each.port !== flags.port)) {
    throw new UserError({
      place: `--port ${flags.port}`,
      problem: `contradicts --peers, where this peer is at ${addressText(own)}`,
      remedy: "leave --port away, or let --peers name that port, on all peers alike",
    });
  }
  const before = addresses.slice(0, rank).filter(({ host }) => host === own.host);
  return { ...common, localRank: before.length, port: own.port };
}

/** @param place where they were given, for the error. @throws UserError if one stands there twice. */
export function parsePeers(peers: string, place: string, port: number | undefined): Address[] {
  const base = port === undefined || port === 0 ? DEFAULT_PORT : port;
  const addresses = peers.split(",").map((text) => parseAddress(text, place, base));
  const texts = addresses.map(addressText);
  const twice = texts.find((text, index) => texts.indexOf(text) !== index);
  if (twice === undefined) return addresses;
  throw new UserError({
    place,
    problem: `${twice} stands there twice`,
    remedy: "give every process its own port: host:29400,host:29401",
  });
}

function rankFrom(launch: Launch | undefined, size: number): number {
  if (launch?.size === size) return launch.rank;
  throw new UserError({
    place: launch ? launch.sizeFrom : "--peers",
    problem: launch
      ? `contradicts --peers, which has ${size} addresses`
      : "does not say which of the peers this process is",
    remedy: "add --rank, from 0 in the order of --peers; with --join, a number that no peer has",
  });
}
