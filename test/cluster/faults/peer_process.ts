// One `weft train` of a cluster: a process whose log is followed, and which faults are done to.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { shellCommand } from "../../end_to_end/weft_process.ts";

/** A line of the log, and when it was read: milliseconds of performance.now(). */
export interface Line {
  readonly at: number;
  readonly text: string;
}

/** An update that it has made, or that it has taken over with others' state. */
export interface MadeUpdate {
  readonly at: number;
  readonly update: number;
}

/** What the log says of one update: of several peers the first one tells. */
export interface LoggedUpdate extends MadeUpdate {
  readonly loss: number;
  readonly gradientNorm: number;
}

export interface PeerSurroundings {
  readonly env: Readonly<Record<string, string>>;
  /** Words before the command: a network of its own, say. */
  readonly prefix?: readonly string[];
}

/** Milliseconds after which a test stops waiting for a line, if no update is made. */
const PATIENCE = 60_000;

export class PeerProcess {
  readonly lines: Line[] = [];
  readonly made: MadeUpdate[] = [];
  readonly logged: LoggedUpdate[] = [];
  private readonly child: ChildProcess;
  private readonly ended: Promise<number | undefined>;
  private rest = "";
  private watchers = new Set<() => void>();
  isOver = false;
  private ending = "";

  constructor(
    readonly rank: number,
    args: readonly string[],
    { env, prefix = [] }: PeerSurroundings,
  ) {
    const [command, ...words] = [...prefix, ...shellCommand(args)];
    this.child = spawn(command, words, {
      env: { ...process.env, ...env },
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => this.read(text));
    this.ended = once(this.child, "close").then(([code, signal]) => {
      this.isOver = true;
      this.ending = `, ended with ${code ?? signal}`;
      this.wake();
      return code ?? undefined;
    });
  }

  /** The last update it has made. */
  get update(): number {
    return this.made.at(-1)?.update ?? 0;
  }

  /** What it said, for failures. */
  get log(): string {
    const lines = this.lines.filter(({ text }) => !text.includes("| train_inner |"));
    const texts = lines.map(({ at, text }) => `${(at / 1000).toFixed(2)} ${text}`);
    return `--- rank ${this.rank}, update ${this.update}${this.ending}\n${texts.slice(-25).join("\n")}`;
  }

  /** Waits for a line; of those that came after `since`, if given. @throws if the process ends before. */
  sees(pattern: RegExp, since = Number.NEGATIVE_INFINITY): Promise<Line> {
    return this.until(`a line like ${pattern}`, () =>
      this.lines.find(({ at, text }) => at > since && pattern.test(text)),
    );
  }

  /** Waits until it has made so many updates. */
  reaches(update: number): Promise<MadeUpdate> {
    return this.until(`update ${update}`, () => this.made.find((each) => each.update >= update));
  }

  /** Waits for the next update that it makes from now on. */
  makesOneMore(): Promise<MadeUpdate> {
    const { length } = this.made;
    return this.until("another update", () => this.made[length]);
  }

  has(pattern: RegExp): boolean {
    return this.lines.some(({ text }) => pattern.test(text));
  }

  signal(name: NodeJS.Signals): void {
    // Not child.kill(): of a child that was sent a signal by it, Deno tells no exit code.
    if (this.child.pid !== undefined && !this.isOver) process.kill(this.child.pid, name);
  }

  /** Ends it as a crash does. @returns when. */
  async kill(): Promise<number> {
    const at = performance.now();
    this.signal("SIGKILL");
    await this.ended;
    return at;
  }

  /** Waits for the end. @returns the exit code; undefined if a signal ended the process. */
  async end(): Promise<number | undefined> {
    await this.until("its end", () => (this.isOver ? true : undefined));
    return await this.ended;
  }

  private async until<T>(what: string, find: () => T | undefined): Promise<T> {
    let deadline = performance.now() + PATIENCE;
    let known = this.made.length;
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      if (this.made.length > known) {
        known = this.made.length;
        deadline = performance.now() + PATIENCE;
      }
      const left = deadline - performance.now();
      if (this.isOver || left <= 0) {
        const why = this.isOver ? "it ended before" : "it did not come in time";
        throw new Error(`rank ${this.rank}: waited for ${what}: ${why}\n${this.log}`);
      }
      await this.change(left);
    }
  }

  private change(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const watcher = (): void => {
        clearTimeout(timer);
        this.watchers.delete(watcher);
        resolve();
      };
      const timer = setTimeout(watcher, milliseconds);
      this.watchers.add(watcher);
    });
  }

  private read(text: string): void {
    const at = performance.now();
    const parts = (this.rest + text).split("\n");
    this.rest = parts.pop() ?? "";
    for (const text of parts) {
      const [, made] = /^made (\d+)$/.exec(text) ?? [];
      if (made !== undefined) {
        this.made.push({ at, update: Number(made) });
        continue;
      }
      this.lines.push({ at, text });
      const [, json] = / \| train_inner \| (\{.*\})$/.exec(text) ?? [];
      if (json === undefined) continue;
      const { num_updates, loss, gnorm } = JSON.parse(json) as Record<string, string>;
      const [update, gradientNorm] = [Number(num_updates), Number(gnorm)];
      this.logged.push({ at, update, loss: Number(loss), gradientNorm });
    }
    this.wake();
  }

  private wake(): void {
    for (const watcher of [...this.watchers]) watcher();
  }
}
