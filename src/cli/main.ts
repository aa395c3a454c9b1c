#!/usr/bin/env bun
import process from "node:process";
import { bpeApply, bpeLearn } from "./bpe.ts";
import type { Command } from "./command.ts";
import { configCommand } from "./config.ts";
import { generate } from "./generate.ts";
import { info } from "./info.ts";
import { interactive } from "./interactive.ts";
import { preprocess } from "./preprocess.ts";
import { runAsProcess } from "./process.ts";
import { score } from "./score.ts";
import { train } from "./train.ts";

/** All commands of `weft`, in the order in which `weft --help` lists them. */
const commands: readonly Command[] = [
  preprocess,
  bpeLearn,
  bpeApply,
  train,
  generate,
  interactive,
  score,
  info,
  configCommand(() => commands),
];

await runAsProcess(commands, process.argv.slice(2));
