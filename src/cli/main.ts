#!/usr/bin/env bun
import process from "node:process";
import type { Command } from "./command.ts";
import { configCommand } from "./config.ts";
import { info } from "./info.ts";
import { runAsProcess } from "./process.ts";
import { score } from "./score.ts";

/** All commands of `weft`, in the order in which `weft --help` lists them. */
const commands: readonly Command[] = [score, info, configCommand(() => commands)];

await runAsProcess(commands, process.argv.slice(2));
