import { didYouMean } from "../config/nearest.ts";
import { TemporaryFailure } from "../config/temporary_failure.ts";
import { UserError } from "../config/user_error.ts";
import { version } from "../version.ts";
import type { Command, ExitCode } from "./command.ts";
import { overviewHelp } from "./help.ts";
import type { Terminal } from "./terminal.ts";

/** What the shell gets to know; 75 is EX_TEMPFAIL of sysexits.h. */
export const exitCode = { ok: 0, internalError: 1, userError: 2, temporaryFailure: 75 } as const;

/**
 * Runs one command line.
 *
 * @param args what follows the program's name.
 * @returns the exit code: the command's own (0 as a rule), 2 after a mistake of the user's, 1 after one
 *   of weft's, 75 if the same may go better another time.
 */
export async function runProgram(
  args: readonly string[],
  commands: readonly Command[],
  terminal: Terminal,
): Promise<number> {
  try {
    return (await dispatch(args, commands, terminal)) ?? exitCode.ok;
  } catch (error) {
    return report(error, args.includes("--debug"), terminal);
  }
}

async function dispatch(
  args: readonly string[],
  commands: readonly Command[],
  terminal: Terminal,
): Promise<ExitCode> {
  const [first] = args.filter((word) => word !== "--debug");
  if (first === "help" && args.length > 1) {
    return dispatch([...args.filter((word) => word !== "help"), "--help"], commands, terminal);
  }
  if (first === undefined || first === "--help" || first === "-h" || first === "help") {
    terminal.line(overviewHelp(version, commands));
    return;
  }
  if (first === "--version" || first === "-V") {
    terminal.line(version);
    return;
  }
  const start = args.indexOf(first);
  const group = commands.filter(({ name }) => name.startsWith(`${first} `));
  const [second = ""] = args.slice(start + 1);
  if (group.length > 0 && (second === "--help" || second === "-h")) {
    terminal.line(overviewHelp(version, group));
    return;
  }
  const { command, words } = findCommand(args.slice(start), commands);
  return command.execute([...args.slice(0, start), ...args.slice(start + words)], terminal);
}

/** The command that the first word names, or the first two: "bpe learn". */
export function findCommand(
  args: readonly string[],
  commands: readonly Command[],
): { command: Command; words: number } {
  for (const words of [2, 1]) {
    const name = args.slice(0, words).join(" ");
    const command = commands.find((candidate) => candidate.name === name);
    if (command !== undefined) return { command, words };
  }
  const [word = "", second] = args;
  const group = commands.filter(({ name }) => name.startsWith(`${word} `));
  const names = (group.length > 0 ? group : commands).map(({ name }) => name);
  throw new UserError({
    place: `weft ${word}`,
    problem:
      group.length === 0
        ? "there is no such command"
        : second === undefined
          ? "needs one more word"
          : `there is no weft ${word} ${second}`,
    remedy:
      group.length > 0
        ? `there are: ${names.join(", ")}`
        : didYouMean(word, names, "weft --help lists the commands"),
  });
}

/** One clear message; a stack only with --debug. */
function report(error: unknown, debug: boolean, terminal: Terminal): number {
  const isUserError = error instanceof UserError;
  if (debug && error instanceof Error) {
    terminal.log(error.stack ?? error.message);
    if (error.cause !== undefined) terminal.log(`caused by ${describe(error.cause)}`);
  } else if (isUserError) {
    terminal.log(`weft: ${error.message}`);
  } else {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    terminal.log(`weft: internal error: ${message};\n  --debug shows where it arose`);
  }
  if (error instanceof TemporaryFailure) return exitCode.temporaryFailure;
  return isUserError ? exitCode.userError : exitCode.internalError;
}

function describe(cause: unknown): string {
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}
