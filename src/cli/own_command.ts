import process from "node:process";
import { fileURLToPath } from "node:url";

/** Whether this is a file of the checkout, not a part of the compiled binary. */
const isSource = import.meta.url.endsWith("/src/cli/own_command.ts");

/** How `weft ARGS` is started as this process was: by Bun, by Deno, or as the compiled binary. */
export function ownCommand(args: readonly string[]): [program: string, ...args: string[]] {
  const { execPath, execArgv } = process;
  if (!isSource) return [execPath, ...args];
  const main = fileURLToPath(new URL("main.ts", import.meta.url));
  if (!("Deno" in globalThis)) return [execPath, ...execArgv, main, ...args];
  // Deno does not tell its own flags.
  const webgpu = globalThis.navigator?.gpu ? ["--unstable-webgpu"] : [];
  return [execPath, "run", "-A", ...webgpu, main, ...args];
}
