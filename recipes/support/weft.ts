// What every recipe does: run weft's commands as a user would type them, and show them.
import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

/** How a command looks in a shell. */
const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`);

/** The command that runs `weft ...`, which is printed as a user would type it. */
export function weftCommand(args: readonly string[]): [program: string, ...args: string[]] {
  console.log(`\n$ weft ${args.map(quoted).join(" ")}`);
  return [process.execPath, main, ...args];
}

export interface RunOptions {
  /** Collect what the command prints instead of showing it. */
  readonly capture?: boolean;
}

/**
 * Runs `weft ...` to its end.
 *
 * @returns what it printed, if captured. Ends the recipe with the command's exit code if it fails.
 */
export async function weft(args: readonly string[], options: RunOptions = {}): Promise<string> {
  const [program, ...words] = weftCommand(args);
  const child = spawn(program, words, {
    stdio: ["ignore", options.capture ? "pipe" : "inherit", "inherit"],
  });
  let printed = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    printed += text;
  });
  const code = await new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (exit) => resolve(exit ?? 1));
  });
  if (code !== 0) process.exit(code);
  return printed;
}

/** Seconds since the recipe began, for its last line. */
export const secondsSinceStart = (): string => (performance.now() / 1000).toFixed(0);

/** Of flags for weft train, those that say where to compute: they hold for weft generate too. */
export function deviceFlags(flags: readonly string[]): string[] {
  const chosen = ["--device", "--threads", "--blas", "--webgpu-provider"];
  return flags.filter(
    (flag, i) =>
      flag === "--cpu" || chosen.includes(flag.split("=")[0]) || chosen.includes(flags[i - 1]),
  );
}
