import { givenValues } from "../config/resolve.ts";
import { validationCommon } from "../config/schemas/common.ts";
import { device } from "../config/schemas/device.ts";
import { evaluation } from "../config/schemas/evaluation.ts";
import { validationData } from "../config/schemas/validation_data.ts";
import { validate as validateModel } from "../generate/validate.ts";
import { chooseCriterion, chooseTask } from "../registries.ts";
import { command } from "./command.ts";
import { taskFlags } from "./task_flags.ts";

export const validate = command({
  name: "validate",
  summary: "compute a model's loss on sets of data",
  config: {
    data: validationData,
    task: chooseTask,
    evaluation: evaluation.omit({ quiet: true, results_path: true }),
    criterion: chooseCriterion,
    device,
    common: validationCommon,
  },
  run: (config, terminal, invocation) => {
    const { settings } = invocation;
    const isGiven = Object.keys(givenValues(settings, "criterion")).length > 0;
    return validateModel(
      { ...config, criterion: isGiven ? config.criterion : undefined },
      taskFlags(config.task, settings),
      invocation,
      terminal,
    );
  },
});
