// What a process knows of its cluster before it has met anyone.
import type { ClusterConfig } from "../../src/config/schemas/cluster.ts";
import type { Address } from "../transport/transport.ts";

/** How the peers of a job find each other's addresses. */
export type Meeting =
  /** All addresses are known, by rank. */
  | { readonly kind: "static"; readonly addresses: readonly Address[] }
  /** Rank 0 listens there and tells all who come. */
  | { readonly kind: "tcp"; readonly address: Address }
  /** A folder that all machines share. */
  | { readonly kind: "file"; readonly folder: string };

/** Which peer of how many this process is. */
export interface World {
  /** What said so, for messages: "--peers", "Slurm", "a Kubernetes Indexed Job". */
  readonly source: string;
  /** From 0; undefined where the meeting gives ranks out. */
  readonly rank: number | undefined;
  readonly size: number;
  /** Number of this process among those of its machine; undefined where only the meeting can tell. */
  readonly localRank: number | undefined;
  /** Name of the job: peers of another one are refused. */
  readonly job: string;
  readonly meeting: Meeting;
  /** Port this process listens on; 0 for any that is free. */
  readonly port: number;
  /** Register that the launcher offers, for want of one in --fence. */
  readonly fence?: string;
}

/** Where a peer listens if nothing else is said. */
export const DEFAULT_PORT = 29400;

/** The flags that say it. */
export type WorldFlags = Pick<
  ClusterConfig,
  "peers" | "rank" | "world_size" | "rendezvous" | "port" | "job"
> &
  Partial<Pick<ClusterConfig, "join">>;
