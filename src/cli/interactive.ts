import { batching } from "../config/schemas/batching.ts";
import { evaluationCommon } from "../config/schemas/common.ts";
import { device } from "../config/schemas/device.ts";
import { evaluation } from "../config/schemas/evaluation.ts";
import { generation } from "../config/schemas/generation.ts";
import { interactiveData } from "../config/schemas/generation_data.ts";
import { textCodec } from "../config/schemas/text_codec.ts";
import { interactive as translateLines } from "../generate/interactive.ts";
import { chooseTaskToDecode } from "../registries.ts";
import { command } from "./command.ts";
import { taskFlags } from "./task_flags.ts";

export const interactive = command({
  name: "interactive",
  summary: "translate lines as they are typed, or a file",
  config: {
    data: interactiveData,
    task: chooseTaskToDecode,
    evaluation: evaluation.omit({ quiet: true, results_path: true }),
    generation,
    text: textCodec,
    batching,
    device,
    common: evaluationCommon.omit({ no_progress_bar: true }),
  },
  run: (config, terminal, invocation) =>
    translateLines(config, taskFlags(config.task, invocation.settings), invocation, terminal),
});
