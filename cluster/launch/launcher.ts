// Several processes of one command: started, followed, and started again if a signal ended them.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import process from "node:process";
import type { Readable } from "node:stream";
import { LAUNCHER } from "./end_with_launcher.ts";
import { LinePrefix } from "./line_prefix.ts";

/** Where the processes' output goes: this process's own streams. */
export interface Output {
  write(bytes: Uint8Array, written: () => void): unknown;
}

export interface LaunchOptions {
  /** Program and arguments, the same for all. */
  readonly command: readonly [program: string, ...args: string[]];
  readonly processes: number;
  /** How often each may be started again after a signal ended it. */
  readonly restarts: number;
  /** Milliseconds after which the others are ended when one has failed by itself; 5000 by default. */
  readonly grace?: number;
  /** What a rank's environment has besides this process's own. */
  readonly environment: (rank: number) => Readonly<Record<string, string>>;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Hears what happens to the processes. */
  readonly say: (line: string) => void;
}

/** How a process ended: one of the two is there. */
interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const GRACE = 5000;

export class Launcher {
  /** Process ids by rank. */
  private readonly running = new Map<number, number>();
  /** How each rank ended at last, in the order in which they did. */
  private readonly ends = new Map<number, End>();
  private passedOn: NodeJS.Signals | undefined;
  private ending: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: LaunchOptions) {}

  /** Runs all processes to their ends. @returns the exit code of the first one that failed; 0 if none did. */
  async run(): Promise<number> {
    const { processes } = this.options;
    try {
      await Promise.all(Array.from({ length: processes }, (_, rank) => this.supervise(rank)));
    } finally {
      clearTimeout(this.ending);
      this.send("SIGTERM");
    }
    return this.summarize();
  }

  /** Passes a signal on; after a first one the next kills. */
  signal(name: NodeJS.Signals): void {
    const { say } = this.options;
    if (this.passedOn) {
      say(`${name} after ${this.passedOn}: killing all processes`);
      this.send("SIGKILL");
      return;
    }
    this.passedOn = name;
    say(`${name}: passed on to all processes; once more kills them`);
    this.send(name);
  }

  /** Sends all that run a signal. */
  send(name: NodeJS.Signals): void {
    for (const pid of this.running.values()) {
      try {
        process.kill(pid, name);
      } catch {
        // It has just ended.
      }
    }
  }

  private async supervise(rank: number): Promise<void> {
    const { restarts, say } = this.options;
    for (let restart = 1; ; restart++) {
      const end = await this.start(rank);
      // Where others are done there is nobody left to go on with.
      const isWanted = !this.passedOn && [...this.ends.values()].every(({ code }) => code !== 0);
      if (end.signal === null || restart > restarts || !isWanted) {
        this.ends.set(rank, end);
        this.failed(rank, end);
        return;
      }
      say(`rank ${rank} ${told(end)}: starting it again (${restart} of ${restarts})`);
    }
  }

  /** What that means for the others. */
  private failed(rank: number, end: End): void {
    const { say, processes, grace = GRACE } = this.options;
    if (!isFailure(end) || this.running.size === 0 || this.passedOn) return;
    if (!isError(end)) {
      say(`rank ${rank} ${told(end)}; ${this.running.size} of ${processes} go on`);
      return;
    }
    say(`rank ${rank} ${told(end)}`);
    // They hear of it themselves, unless they still wait for one another.
    this.ending ??= setTimeout(() => {
      if (this.running.size === 0 || this.passedOn) return;
      say(`ending the others, for rank ${rank} has failed`);
      this.send("SIGTERM");
    }, grace);
  }

  /** Runs a rank's process to its end. */
  private async start(rank: number): Promise<End> {
    const { command, environment, stdout, stderr } = this.options;
    const [program, ...args] = command;
    const child = spawn(program, args, {
      env: { ...process.env, ...environment(rank), [LAUNCHER]: String(process.pid) },
      stdio: ["ignore", "pipe", "pipe"],
      // A group of its own: Ctrl-C reaches the launcher alone, which passes it on.
      detached: true,
    });
    const closed = once(child, "close");
    if (child.pid !== undefined) this.running.set(rank, child.pid);
    const relays = [relay(child.stdout, stdout, rank), relay(child.stderr, stderr, rank)];
    const [code, signal] = (await closed) as [End["code"], End["signal"]];
    this.running.delete(rank);
    await Promise.all(relays);
    return { code, signal };
  }

  private summarize(): number {
    const failed = [...this.ends].filter(([, end]) => isFailure(end));
    if (failed.length === 0) return 0;
    const well = this.ends.size - failed.length;
    const parts = failed.map(([rank, end]) => `rank ${rank} ${told(end)}`);
    if (well > 0) parts.push(`${well} of ${this.ends.size} ended well`);
    const [[first, end]] = failed;
    const code = exitCodeOf(end);
    this.options.say(`${parts.join("; ")}: exit code ${code}, of rank ${first}`);
    return code;
  }
}

/** Copies a stream line by line. */
async function relay(from: Readable, to: Output, rank: number): Promise<void> {
  const lines = new LinePrefix(`[${rank}] `);
  const write = async (bytes: Uint8Array): Promise<void> => {
    if (bytes.length > 0) await new Promise<void>((written) => void to.write(bytes, written));
  };
  for await (const chunk of from) await write(lines.take(chunk as Uint8Array));
  await write(lines.end());
}

/** Whether it failed by itself, not because somebody wanted its end. */
const isError = ({ code }: End): boolean => code !== null && code > 0 && code < 128;

const isFailure = ({ code }: End): boolean => code !== 0;

const told = ({ code, signal }: End): string =>
  signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;

/** As a shell shows it. */
const exitCodeOf = ({ code, signal }: End): number =>
  signal === null ? (code ?? 1) : 128 + constants.signals[signal];
