// Peers of a meeting, in this process or in ones of their own.
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { type Met, meet } from "../../../cluster/rendezvous/meet.ts";
import type { Meeting, World } from "../../../cluster/rendezvous/world.ts";
import { type RunningScript, startScript } from "../support/script.ts";

export interface PeerSettings {
  readonly rank?: number;
  readonly size?: number;
  readonly port?: number;
  readonly host?: string;
  readonly job?: string;
  readonly timeoutSeconds?: number;
  readonly signal?: AbortSignal;
  say?(line: string): void;
}

/** A peer in this process: three by default, the Nth of which listens on port N. */
export function attend(meeting: Meeting, settings: PeerSettings = {}): Promise<Met> {
  const { rank, size = 3, port = rank ?? 1, host = "127.0.0.1", job = "test" } = settings;
  const world: World = { source: "test", rank, size, localRank: undefined, job, meeting, port };
  const { timeoutSeconds = 20, signal, say = () => undefined } = settings;
  return meet(
    world,
    { host, port: port + 1000 },
    { timeoutSeconds, signal, say, graceSeconds: 0.5 },
  );
}

/** What a peer in a process of its own was told. */
export interface Told {
  readonly rank: number;
  /** Ports by rank. */
  readonly addresses: readonly number[];
}

export interface PeerProcess extends RunningScript {
  readonly told: Promise<Told>;
  /** Ends it as a crash does. */
  kill(): Promise<void>;
}

/** A peer in a process of its own; a rank of "-" is to be given out. */
export function startPeer(place: string, size: number, rank: number | "-", port: number) {
  const words = [place, size, rank, port].map(String);
  const script = startScript(join(import.meta.dirname, "peer.ts"), words);
  const told = script.line("met ").then((line) => JSON.parse(line.slice(4)) as Told);
  // A peer that is to fail is waited for by its end.
  told.catch(() => undefined);
  const kill = async (): Promise<void> => {
    script.child.kill("SIGKILL");
    await script.ended;
  };
  return { ...script, told, kill } satisfies PeerProcess;
}

/** A port of this machine that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address ? address.port : 0;
}
