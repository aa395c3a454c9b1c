// Open MPI's mpirun. It tells ranks, not addresses: those of processes on one machine need no telling,
// others meet where MASTER_ADDR says (mpirun -x MASTER_ADDR=node1) or --rendezvous.
import { UserError } from "../../src/config/user_error.ts";
import type { Address } from "../transport/transport.ts";
import { type Environment, type Launch, numberIn, portFrom, rankOfSize, textIn } from "./launch.ts";
import { masterAddress } from "./torchrun.ts";
import { DEFAULT_PORT, type Meeting } from "./world.ts";

/** @param port of --port; undefined if it was not given. */
export function openMpiLaunch(env: Environment, port: number | undefined): Launch | undefined {
  const peer = rankOfSize(env, "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE");
  if (!peer) return undefined;
  return {
    source: "mpirun",
    ...peer,
    localRank: numberIn(env, "OMPI_COMM_WORLD_LOCAL_RANK"),
    job: textIn(env, "PMIX_NAMESPACE") ?? textIn(env, "OMPI_MCA_ess_base_jobid") ?? "weft",
    meeting: () => meetingOf(env, peer, port),
  };
}

function meetingOf(
  env: Environment,
  { rank, size }: { rank: number; size: number },
  port: number | undefined,
): Meeting {
  const master = masterAddress(env, port);
  if (master) return { kind: "tcp", address: master };
  if (size === 1 || numberIn(env, "OMPI_COMM_WORLD_LOCAL_SIZE") === size) {
    const base = port === undefined || port === 0 ? DEFAULT_PORT : port;
    const addresses = Array.from(
      { length: size },
      (_, index): Address => ({ host: "127.0.0.1", port: portFrom(base, index) }),
    );
    return { kind: "static", addresses };
  }
  throw new UserError({
    place: `OMPI_COMM_WORLD_RANK=${rank}`,
    problem: `mpirun started ${size} processes on several machines, but not how they find each other`,
    remedy:
      "add -x MASTER_ADDR=host of rank 0 to mpirun, or --rendezvous file:///shared/folder to weft",
  });
}
