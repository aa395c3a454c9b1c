import { checkpoint } from "../config/schemas/checkpoint.ts";
import { cluster } from "../config/schemas/cluster.ts";
import { common } from "../config/schemas/common.ts";
import { dataset } from "../config/schemas/dataset.ts";
import { device } from "../config/schemas/device.ts";
import { ema } from "../config/schemas/ema.ts";
import { optimization } from "../config/schemas/optimization.ts";
import { precision } from "../config/schemas/precision.ts";
import { rawText } from "../config/schemas/raw_text.ts";
import { evalBleu } from "../generate/eval_bleu.ts";
import {
  chooseCriterion,
  chooseLrScheduler,
  chooseModel,
  chooseOptimizer,
  chooseTask,
} from "../registries.ts";
import { train as trainModel } from "../train/train.ts";
import { command } from "./command.ts";

export const train = command({
  name: "train",
  summary: "train a model on binarised data or raw text",
  config: {
    dataset,
    raw_text: rawText,
    task: chooseTask,
    model: chooseModel,
    criterion: chooseCriterion,
    optimizer: chooseOptimizer,
    lr_scheduler: chooseLrScheduler,
    optimization,
    precision,
    checkpoint,
    ema,
    device,
    cluster,
    common,
  },
  run: (config, terminal, { record }) => trainModel(config, record, terminal, evalBleu),
});
