import { evaluationCommon } from "../config/schemas/common.ts";
import { device } from "../config/schemas/device.ts";
import { evaluation } from "../config/schemas/evaluation.ts";
import { generation } from "../config/schemas/generation.ts";
import { generationData } from "../config/schemas/generation_data.ts";
import { sacrebleuFlags } from "../config/schemas/scoring.ts";
import { textCodec } from "../config/schemas/text_codec.ts";
import { generate as translateSet } from "../generate/generate.ts";
import { chooseScorer, chooseTaskToDecode } from "../registries.ts";
import { chosenScorer } from "../scorer_components.ts";
import { type Command, command } from "./command.ts";
import { taskFlags } from "./task_flags.ts";

/** The command, to translate a set or, as one thread of several, some of its batches. */
export const generateCommand = (run: typeof translateSet): Command =>
  command({
    name: "generate",
    summary: "translate a set of data and score the result",
    config: {
      data: generationData,
      task: chooseTaskToDecode,
      evaluation,
      generation,
      scoring: chooseScorer,
      sacrebleu: sacrebleuFlags,
      text: textCodec,
      device,
      common: evaluationCommon,
    },
    run(config, terminal, invocation) {
      const { settings } = invocation;
      const scoring = chosenScorer(config.scoring, config.sacrebleu, settings);
      const task = taskFlags(config.task, settings);
      return run({ ...config, scoring }, task, invocation, terminal);
    },
  });

export const generate = generateCommand(translateSet);
