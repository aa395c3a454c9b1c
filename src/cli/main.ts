#!/usr/bin/env bun
import process from "node:process";
import { average } from "./average.ts";
import { bench } from "./bench.ts";
import { bpeApply, bpeLearn } from "./bpe.ts";
import { clusterCertificates } from "./cluster_certificates.ts";
import { clusterSimulate } from "./cluster_simulate.ts";
import { clusterStatus } from "./cluster_status.ts";
import type { Command } from "./command.ts";
import { configCommand } from "./config.ts";
import { deployBun, deployDeno, deployStatic, deployWorkerd } from "./deploy.ts";
import { exportCommand } from "./export.ts";
import { generate } from "./generate.ts";
import { info } from "./info.ts";
import { interactive } from "./interactive.ts";
import { launchCommand } from "./launch.ts";
import { preprocess } from "./preprocess.ts";
import { runAsProcess } from "./process.ts";
import { score } from "./score.ts";
import { serve } from "./serve.ts";
import { train } from "./train.ts";
import { tune } from "./tune.ts";
import { validate } from "./validate.ts";

/** All commands of `weft`, in the order in which `weft --help` lists them. */
const commands: readonly Command[] = [
  preprocess,
  bpeLearn,
  bpeApply,
  train,
  launchCommand(() => commands),
  validate,
  generate,
  interactive,
  score,
  average,
  exportCommand,
  serve,
  deployWorkerd,
  deployDeno,
  deployBun,
  deployStatic,
  clusterCertificates,
  clusterStatus,
  clusterSimulate,
  tune,
  bench,
  info,
  configCommand(() => commands),
];

await runAsProcess(commands, process.argv.slice(2));
