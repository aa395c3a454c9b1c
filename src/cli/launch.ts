import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { freePorts } from "../../cluster/launch/free_ports.ts";
import { Launcher } from "../../cluster/launch/launcher.ts";
import { environmentOf } from "../../cluster/rendezvous/weft_launch.ts";
import { launch as config } from "../config/schemas/launch.ts";
import { type Command, command } from "./command.ts";
import { ownCommand } from "./own_command.ts";
import { findCommand } from "./program.ts";

/** Signals that are passed on: Ctrl-C and those of schedulers. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGUSR1"] as const;

/** `weft launch -n N -- COMMAND ...`: that command in N processes, which know of each other. */
export function launchCommand(commands: () => readonly Command[]): Command {
  return command({
    name: "launch",
    summary: "start a command several times on this machine, as the peers of a cluster",
    config,
    async run({ processes, restarts, command: words }, terminal) {
      // Said once, not by every process.
      findCommand(
        words.filter((word) => word !== "--debug"),
        commands(),
      );
      const ports = await freePorts(processes);
      const addresses = ports.map((port) => ({ host: "127.0.0.1", port }));
      // On one machine a register costs nothing, and lets any one that is left go on.
      const folder = await mkdtemp(join(tmpdir(), "weft-launch-"));
      const fence = pathToFileURL(join(folder, "fence")).href;
      const threads = threadsFor(processes);
      const say = (line: string): void => terminal.log(`launch: ${line}`);
      say(`${processes} processes on 127.0.0.1, ports ${ports.join(", ")}${threads.remark}`);
      const launcher = new Launcher({
        ...{ command: ownCommand(words), processes, restarts, say },
        environment: (rank) => ({
          ...threads.environment,
          ...environmentOf(rank, addresses, fence),
        }),
        stdout: process.stdout,
        stderr: process.stderr,
      });
      const pass = SIGNALS.map((name) => [name, () => launcher.signal(name)] as const);
      for (const [name, handler] of pass) process.on(name, handler);
      // Whatever ends this process early, such as a reader that closes stdout, ends the others.
      const end = (): void => launcher.send("SIGTERM");
      process.on("exit", end);
      try {
        return await launcher.run();
      } finally {
        process.off("exit", end);
        for (const [name, handler] of pass) process.off(name, handler);
        await rm(folder, { recursive: true, force: true });
      }
    },
  });
}

/** The processes share the cores. */
function threadsFor(processes: number): { environment: Record<string, string>; remark: string } {
  if (process.env.WEFT_THREADS) return { environment: {}, remark: "" };
  const cores = availableParallelism();
  const threads = Math.max(1, Math.floor(cores / processes));
  return {
    environment: { WEFT_THREADS: String(threads) },
    remark: `; on the cpu each computes on ${threads} of ${cores} cores, unless --threads says otherwise`,
  };
}
