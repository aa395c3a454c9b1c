// A script of the tests, run by the runtime that runs the tests.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";

const runtime = "Deno" in globalThis ? ["run", "-A", "--no-check"] : [];

export interface RunningScript {
  readonly child: ChildProcess;
  /** Resolves with the line that begins with these words, once it is printed. @throws if it never is. */
  line(start: string): Promise<string>;
  /** Resolves when it is over. */
  readonly ended: Promise<{ readonly code: number | null; readonly output: string }>;
}

/** Starts a script; what it prints, to either stream, is kept. */
export function startScript(file: string, args: readonly string[]): RunningScript {
  const child = spawn(process.execPath, [...runtime, file, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let isOver = false;
  let heard = (): void => undefined;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      heard();
    });
  }
  const ended = once(child, "close").then(([code]) => {
    isOver = true;
    heard();
    return { code: code as number | null, output };
  });
  return {
    child,
    ended,
    async line(start) {
      for (;;) {
        const found = output.split("\n").find((line) => line.startsWith(start));
        if (found !== undefined) return found;
        if (isOver) throw new Error(`no line begins with ${start}:\n${output}`);
        await new Promise<void>((resolve) => {
          heard = resolve;
        });
      }
    },
  };
}
