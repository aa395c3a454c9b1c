// A daemon of a test: in the foreground of a shell, which ends it when the test's process is gone, however
// that came about.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout } from "node:timers/promises";

/** Reads until its standard input is closed, then ends the daemon, gently at first. */
const SUPERVISOR = `
"$@" & daemon=$!
while read -r _; do :; done
kill "$daemon" 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  kill -0 "$daemon" 2>/dev/null || exit 0
  sleep 0.2
done
kill -9 "$daemon"
`;

export class Daemon {
  private readonly child: ChildProcess;
  private readonly ended: Promise<unknown>;
  private output = "";

  constructor(command: readonly string[], env: Readonly<Record<string, string | undefined>>) {
    // In a group of its own: Ctrl-C reaches the tests, which then end it in good order.
    this.child = spawn("sh", ["-c", SUPERVISOR, "sh", ...command], {
      env,
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.output += text;
      });
    }
    this.ended = once(this.child, "exit");
  }

  /** What it has printed. */
  get log(): string {
    return this.output;
  }

  /** Resolves when it is over. */
  async stop(): Promise<void> {
    this.child.stdin?.end();
    await this.ended;
  }
}

/** Asks again and again until the answer is not undefined. @throws Error with `what` after so many seconds. */
export async function until<T>(
  what: () => string,
  ask: () => Promise<T | undefined> | T | undefined,
  seconds = 20,
): Promise<T> {
  for (const end = performance.now() + seconds * 1000; ; await setTimeout(100)) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > end) throw new Error(`not within ${seconds} s: ${what()}`);
  }
}
