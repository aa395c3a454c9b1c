#!/usr/bin/env bun
import process from "node:process";
import type { Command } from "./command.ts";
import { configCommand } from "./config.ts";
import { info } from "./info.ts";
import { runProgram } from "./program.ts";
import { StreamTerminal } from "./terminal.ts";

/** All commands of `weft`, in the order in which `weft --help` lists them. */
const commands: readonly Command[] = [info, configCommand(() => commands)];

// A reader that has seen enough (`weft generate ... | head`) closes the pipe: nothing to report.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 0 : 1);
});

const terminal = new StreamTerminal();
const code = await runProgram(process.argv.slice(2), commands, terminal);
await terminal.flush();
process.exit(code);
