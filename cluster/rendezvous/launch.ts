// What a launcher (Slurm, Kubernetes, torchrun, mpirun) has told a process in its environment.
import { UserError } from "../../src/config/user_error.ts";
import type { Meeting } from "./world.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Launch {
  /** Its name, for messages. */
  readonly source: string;
  readonly rank: number;
  readonly size: number;
  /** The variable that says the size, and what it says: "WORLD_SIZE=4". */
  readonly sizeFrom: string;
  readonly localRank: number | undefined;
  readonly job: string;
  /** A register for --fence, if it has made one. */
  readonly fence?: string;
  /** All processes have the same flags: a rank among them would be everyone's. */
  readonly givesRanks?: boolean;
  /** @throws UserError if the variables do not tell: --peers or --rendezvous can. */
  meeting(): Meeting;
}

/** The variable's text; undefined if it is not set or empty. */
export function textIn(env: Environment, name: string): string | undefined {
  return env[name] === "" ? undefined : env[name];
}

/** @throws UserError if the variable is set, but not to a whole number. */
export function numberIn(env: Environment, name: string): number | undefined {
  const text = textIn(env, name);
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new UserError({
    place: name,
    problem: `${JSON.stringify(text)} is not a whole number`,
    remedy: "start weft through its launcher, or unset the variable",
  });
}

/**
 * Rank and size as two variables say them.
 *
 * @throws UserError if the size is missing or the rank is not below it.
 */
export function rankOfSize(
  env: Environment,
  rankName: string,
  sizeName: string,
): { rank: number; size: number; sizeFrom: string } | undefined {
  const rank = numberIn(env, rankName);
  if (rank === undefined) return undefined;
  const size = numberIn(env, sizeName);
  if (size === undefined) throw halfSet(`${rankName}=${rank}`, sizeName);
  if (rank < size) return { rank, size, sizeFrom: `${sizeName}=${size}` };
  throw new UserError({
    place: `${rankName}=${rank}`,
    problem: `with ${sizeName}=${size} ranks go from 0 to ${size - 1}`,
    remedy: "start weft through its launcher, or unset both variables",
  });
}

export function halfSet(is: string, missing: string): UserError {
  return new UserError({
    place: is,
    problem: `${missing} is not set`,
    remedy: "set both or neither; or say all with --peers and --rank",
  });
}

/** The port for the Nth process of a machine. @throws UserError beyond 65535. */
export function portFrom(base: number, offset: number): number {
  // 0 stays: it means any that is free.
  const port = base === 0 ? 0 : base + offset;
  if (port <= 65535) return port;
  throw new UserError({
    place: `--port ${base}`,
    problem: `process ${offset} of this machine would listen on port ${port}`,
    remedy: "choose a lower port",
  });
}
