// Which peer of which cluster a process is: from flags, and from what its launcher put into the environment.
import { UserError } from "../../src/config/user_error.ts";
import { kubernetesLaunch } from "./kubernetes.ts";
import type { Environment, Launch } from "./launch.ts";
import { openMpiLaunch } from "./open_mpi.ts";
import { meetingPort, rendezvousWorld } from "./rendezvous_place.ts";
import { slurmLaunch } from "./slurm.ts";
import { staticWorld } from "./static_list.ts";
import { requireAgreement, torchrunLaunch } from "./torchrun.ts";
import { weftLaunch } from "./weft_launch.ts";
import type { Meeting, World, WorldFlags } from "./world.ts";

/**
 * Flags win over the environment, but what they leave open, such as the rank, it may say. Of several
 * launchers the innermost one counts: torchrun and mpirun are started by Slurm's or Kubernetes's, and not
 * the other way round.
 *
 * @returns undefined for a process that trains alone.
 * @throws UserError on variables or flags that are half set or contradict each other.
 */
export function resolveWorld(env: Environment, flags: WorldFlags): World | undefined {
  if (flags.peers !== undefined && flags.rendezvous !== undefined) {
    throw new UserError({
      place: "--peers",
      problem:
        "contradicts --rendezvous: the peers either know the addresses or meet to learn them",
      remedy: "give one of them",
    });
  }
  if (isAlone(flags)) return undefined;
  const launch = isComplete(flags) ? undefined : findLaunch(env, flags.port);
  if (flags.peers !== undefined) return staticWorld(flags.peers, flags, launch);
  if (flags.rendezvous !== undefined) return rendezvousWorld(flags.rendezvous, flags, launch);
  if (launch) return launchedWorld(launch, flags);
  if (flags.rank !== undefined) throw unfounded(`--rank ${flags.rank}`);
  if (flags.world_size !== undefined) throw unfounded(`--world-size ${flags.world_size}`);
  if (flags.join) throw unfounded("--join");
  return undefined;
}

/** --world-size 1, and nothing that speaks of peers. */
function isAlone({ peers, rendezvous, rank = 0, world_size }: WorldFlags): boolean {
  return world_size === 1 && rank === 0 && peers === undefined && rendezvous === undefined;
}

/** Whether the environment need not be asked, nor be in order. */
function isComplete({ peers, rendezvous, rank, world_size }: WorldFlags): boolean {
  if (rank === undefined) return false;
  return peers !== undefined || (rendezvous !== undefined && world_size !== undefined);
}

function findLaunch(env: Environment, port: number | undefined): Launch | undefined {
  const launch =
    weftLaunch(env, port) ??
    torchrunLaunch(env, port) ??
    openMpiLaunch(env, port) ??
    slurmLaunch(env, port) ??
    kubernetesLaunch(env, port);
  requireAgreement(env, launch);
  return launch;
}

function launchedWorld(launch: Launch, flags: WorldFlags): World {
  const { source, localRank, fence } = launch;
  if (flags.world_size !== undefined && flags.world_size !== launch.size) {
    throw new UserError({
      place: `--world-size ${flags.world_size}`,
      problem: `contradicts ${launch.sizeFrom}`,
      remedy: `leave it away, for ${source} says it; or add --rendezvous, where others join`,
    });
  }
  if (flags.rank !== undefined && launch.givesRanks) {
    throw new UserError({
      place: `--rank ${flags.rank}`,
      problem: `${source} gives every process a rank of its own`,
      remedy: "leave it away, or start the processes one by one, with --peers",
    });
  }
  const { size } = launch;
  const rank = flags.rank ?? launch.rank;
  if (rank >= size) {
    throw new UserError({
      place: `--rank ${rank}`,
      problem: `with ${launch.sizeFrom} ranks go from 0 to ${size - 1}`,
      remedy: `leave it away, for ${source} says it`,
    });
  }
  const meeting = launch.meeting();
  const job = flags.job ?? launch.job;
  return {
    source,
    rank,
    size,
    localRank,
    job,
    meeting,
    port: portOf(meeting, rank, launch, flags),
    fence,
  };
}

function portOf(meeting: Meeting, rank: number, launch: Launch, { port }: WorldFlags): number {
  if (meeting.kind !== "static") return meetingPort(port, launch.localRank, meeting);
  if (port !== 0) return meeting.addresses[rank].port;
  throw new UserError({
    place: "--port 0",
    problem: `${launch.source} does not tell the others which port that becomes`,
    remedy: "choose a port, or add --rendezvous",
  });
}

function unfounded(place: string): UserError {
  return new UserError({
    place,
    problem: "speaks of peers, but nothing says how to find them",
    remedy: "add --peers or --rendezvous, or start weft with srun, torchrun or mpirun",
  });
}
