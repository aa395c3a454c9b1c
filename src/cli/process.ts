import process from "node:process";
import { endWithLauncher } from "../../cluster/launch/end_with_launcher.ts";
import type { Command } from "./command.ts";
import { exitCode, runProgram } from "./program.ts";
import { StreamTerminal } from "./terminal.ts";

/** Runs one command line as this process, and ends it with the exit code. */
export async function runAsProcess(
  commands: readonly Command[],
  args: readonly string[],
): Promise<never> {
  // A reader that has seen enough (`weft generate ... | head`) closes the pipe: nothing to report.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(exitCode.ok);
    process.stderr.write(`weft: stdout: ${error.message}\n`);
    process.exit(exitCode.internalError);
  });
  endWithLauncher();
  const terminal = new StreamTerminal();
  const code = await runProgram(args, commands, terminal);
  await terminal.flush();
  process.exit(code);
}
