// The commands over models, run in this process on the small model that travels with a clone.
import { average } from "../../src/cli/average.ts";
import { generate } from "../../src/cli/generate.ts";
import { interactive } from "../../src/cli/interactive.ts";
import { runProgram } from "../../src/cli/program.ts";
import { train } from "../../src/cli/train.ts";
import { validate } from "../../src/cli/validate.ts";
import { recordingTerminal } from "../cli/recording_terminal.ts";
import { goldenPath } from "../support/golden.ts";

const commands = [average, generate, interactive, train, validate];
const cpu = ["--device", "cpu", "--blas", "none", "--threads", "1"];

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command line. */
export const run = (...args: string[]): Promise<Ran> => runOn(false, ...args);

/** @param isTerminal whether both streams are a terminal. */
export async function runOn(isTerminal: boolean, ...args: string[]): Promise<Ran> {
  const { terminal, stdout, stderr } = recordingTerminal(isTerminal);
  const all = [...args, ...(args[0] === "average" ? [] : cpu)];
  const code = await runProgram(all, commands, terminal);
  return { code, out: stdout.text, err: stderr.text };
}

export const needs = "checkpoints/transformer_b.pt";
export const data = (): string => goldenPath("checkpoints/data-bin");
export const model = (): string => goldenPath(needs);
/** A quick search. */
export const search = ["--beam", "2", "--batch-size", "8"];

/** Numbers of the sentences in the order printed. */
export const idsOf = (text: string): number[] =>
  [...text.matchAll(/^S-(\d+)/gm)].map(([, id]) => Number(id));
