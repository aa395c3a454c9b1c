// What one thread of a TranslationTeam does.
import type { DeviceConfig } from "../config/schemas/device.ts";
import { evaluationBatches } from "./evaluation_batches.ts";
import {
  type AvailableWithArgs,
  type GenerateConfig,
  sourceOf,
  translatesBatches,
} from "./generate.ts";
import type { TaskFlags } from "./stored_task.ts";
import { openTextTranslator } from "./text_translator.ts";
import { batchOrder, type TeamReply, type TeamTask, takeBatches } from "./translation_team.ts";
import { type EvaluationTerminal, withModels, withoutBar } from "./with_models.ts";

const silent: EvaluationTerminal = withoutBar({
  line() {},
  log() {},
  progress: () => ({ advance() {}, done() {} }),
});

/** Translates batches as they come, on a device of one thread. */
export async function shareBatches(
  config: GenerateConfig,
  task: TaskFlags,
  available: AvailableWithArgs,
  { next, threads }: TeamTask,
  reply: (reply: TeamReply) => void,
): Promise<void> {
  const { data, common } = config;
  const device: DeviceConfig = { ...config.device, device: "cpu", threads: 1 };
  const settings = { device, profile: undefined };
  await withModels(settings, sourceOf(config, task), available, silent, async (loaded) => {
    const { translator } = openTextTranslator(loaded, config);
    const set = loaded.task.loadDataset(data.gen_subset);
    const work = evaluationBatches(set, data, loaded.limits, data.gen_subset, common.seed);
    const translate = translatesBatches(work, translator);
    try {
      const order = batchOrder(work.batches.length, threads);
      await takeBatches(next, order, translate, (batch, found) => reply({ batch, found }));
    } finally {
      translator.close();
    }
  });
}
