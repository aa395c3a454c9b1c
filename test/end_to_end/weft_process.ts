// weft as its users meet it: a process with a command line, streams, signals and an exit code.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import process from "node:process";

const main = resolve(import.meta.dirname, "../../src/cli/main.ts");
const runtime = "Deno" in globalThis ? ["run", "-A", "--no-check"] : [];

/** The words of `weft ARGS` for a shell's "$@". */
export const shellCommand = (args: readonly string[]): string[] => [
  process.execPath,
  ...runtime,
  main,
  ...args,
];

/** How a process ended. */
export interface Outcome {
  /** undefined if a signal ended it. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Surroundings {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs `weft ARGS` to its end. */
export function weft(args: readonly string[], { cwd, env }: Surroundings = {}): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...runtime, main, ...args], {
    cwd,
    env: { ...process.env, ...env },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    // Only what hangs may meet it: a busy machine takes minutes to compile a software GPU's shaders.
    timeout: 200_000,
    killSignal: "SIGKILL",
  });
  return { code: status ?? undefined, stdout, stderr };
}

/** The same, of a command that must succeed: fails with what it said. */
export function succeed(args: readonly string[], surroundings: Surroundings = {}): Outcome {
  const outcome = weft(args, surroundings);
  if (outcome.code === 0) return outcome;
  throw new Error(`weft ${args.join(" ")}: exit code ${outcome.code}\n${outcome.stderr}`);
}

/** A `weft ARGS` that runs, whose log is followed and which can be sent signals. */
export class RunningWeft {
  /** Whole lines of stderr so far. */
  readonly lines: string[] = [];
  private readonly child: ChildProcess;
  private readonly ended: Promise<number | undefined>;
  private rest = "";
  private waiting: (() => void)[] = [];
  private over = false;

  constructor(args: readonly string[], { cwd, env }: Surroundings = {}) {
    this.child = spawn(process.execPath, [...runtime, main, ...args], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      const parts = (this.rest + text).split("\n");
      this.rest = parts.pop() ?? "";
      this.lines.push(...parts);
      this.wake();
    });
    this.ended = once(this.child, "close").then(([code]) => {
      this.over = true;
      this.wake();
      return code ?? undefined;
    });
  }

  /** undefined if it could not be started. */
  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Resolves when `count` lines contain `text`. @returns false if the process ended before. */
  async saw(text: string, count = 1): Promise<boolean> {
    for (;;) {
      if (this.lines.filter((line) => line.includes(text)).length >= count) return true;
      if (this.over) return false;
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  signal(name: NodeJS.Signals): void {
    // Not child.kill(): of a child that was sent a signal by it, Deno tells no exit code.
    if (this.child.pid !== undefined && !this.over) process.kill(this.child.pid, name);
  }

  /** Waits for the end. @returns the exit code; undefined if a signal ended the process. */
  end(): Promise<number | undefined> {
    return this.ended;
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}

/** Flags of a run on the device that is there everywhere, with one result everywhere. */
export const cpu = ["--device", "cpu", "--blas", "none", "--threads", "1"];

/** A Transformer that trains in a second. */
export const tinyModel = [
  ...["--arch", "transformer", "--encoder-layers", "1", "--decoder-layers", "1"],
  ...["--encoder-embed-dim", "16", "--encoder-ffn-embed-dim", "32"],
  ...["--encoder-attention-heads", "2", "--decoder-attention-heads", "2"],
];

/** The arguments that one string writes, as a user types them. */
export const words = (text: string): string[] => text.split(/\s+/).filter(Boolean);
