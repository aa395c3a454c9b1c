// `weft validate` from a parsed configuration: the criterion over sets of a data folder.
import type { CriterionComponent } from "../components.ts";
import type { Chosen } from "../config/choice.ts";
import type { ValidationCommonConfig } from "../config/schemas/common.ts";
import type { DeviceConfig } from "../config/schemas/device.ts";
import type { EvaluationConfig } from "../config/schemas/evaluation.ts";
import type { ValidationDataConfig } from "../config/schemas/validation_data.ts";
import { UserError } from "../config/user_error.ts";
import type { Criterion } from "../criterions/criterion.ts";
import { compile } from "../engine/compile.ts";
import {
  hostSample,
  type PackingInputs,
  packedInputs,
  type SampleInputs,
} from "../train/host_sample.ts";
import { chooseLogFormat, logLine } from "../train/log_format.ts";
import { formatGeneral } from "../train/log_format_numbers.ts";
import { type Stats, validationStats } from "../train/metrics.ts";
import { addSums, emptySums, readSums } from "../train/sums.ts";
import type { ExtraMetrics } from "../train/validator.ts";
import { evalBleuOf } from "./eval_bleu.ts";
import { evaluationBatches } from "./evaluation_batches.ts";
import { buildStoredCriterion } from "./stored_criterion.ts";
import type { Available } from "./stored_plugins.ts";
import type { TaskFlags } from "./stored_task.ts";
import {
  type EvaluationTerminal,
  type LoadedModels,
  withModels,
  withoutBar,
} from "./with_models.ts";

/** The parsed sections of `weft validate`. */
export interface ValidateConfig {
  readonly data: ValidationDataConfig;
  readonly evaluation: Pick<EvaluationConfig, "path" | "ema" | "model_overrides">;
  /** undefined for the checkpoint's own. */
  readonly criterion: Chosen<CriterionComponent> | undefined;
  readonly device: DeviceConfig;
  readonly common: ValidationCommonConfig;
}

/** Prints fairseq's line for each set: its loss, perplexity and the criterion's further metrics. */
export async function validate(
  config: ValidateConfig,
  task: TaskFlags,
  available: Available,
  screen: EvaluationTerminal,
): Promise<void> {
  const { data, evaluation, common } = config;
  const hasBar = chooseLogFormat(common.log_format, common.no_progress_bar, true) === "tqdm";
  const terminal = hasBar ? screen : withoutBar(screen);
  const source = {
    path: evaluation.path,
    ema: evaluation.ema,
    modelOverrides: evaluation.model_overrides,
    data: data.data,
    datasetImpl: data.dataset_impl,
    padToMultiple: data.required_seq_len_multiple,
    task,
  };
  const settings = { device: config.device, profile: common.profile };
  await withModels(settings, source, available, terminal, async (loaded) => {
    if (loaded.models.length > 1) {
      throw new UserError({
        place: "--path",
        problem: `names ${loaded.models.length} models`,
        remedy: "validate one at a time",
      });
    }
    const { padIndex } = loaded.task.targetDictionary;
    const [stored] = loaded.stored;
    const criterion = buildStoredCriterion(
      stored,
      available.registries,
      config.criterion,
      padIndex,
    );
    const { given } = task;
    const extra = evalBleuOf(loaded, given, common.seed, (line) => terminal.log(line));
    for (const subset of data.valid_subset.split(",")) {
      const stats = await validateSet(subset, { criterion, extra }, config, loaded, terminal);
      terminal.line(statsLine(subset, stats, common));
    }
  });
}

async function validateSet(
  subset: string,
  { criterion, extra }: { criterion: Criterion; extra: ExtraMetrics | undefined },
  { data, common }: ValidateConfig,
  { task, models: [model], limits, device, spans }: LoadedModels,
  terminal: EvaluationTerminal,
): Promise<Stats> {
  const set = task.loadDataset(subset);
  const { dataset, batches, report } = evaluationBatches(set, data, limits, subset, common.seed);
  if (report.message) terminal.log(report.message);
  if (dataset.target === undefined) {
    throw new UserError({
      place: `--valid-subset ${subset}`,
      problem: "the set has no references",
      remedy: "choose a set with both sides",
    });
  }
  const forward = compile<SampleInputs, string, PackingInputs>(device, "validation", (sample) =>
    criterion.forward(model, sample),
  );
  forward.spans = spans;
  const used = batches.slice(0, data.max_valid_steps);
  const progress = terminal.progress(`validate ${subset}`, used.length);
  const begun = performance.now();
  let sums = emptySums();
  for (const ids of used) {
    const batch = dataset.batch(ids);
    if (batch) {
      const pending = forward(packedInputs(hostSample(batch)));
      sums = addSums(sums, await readSums(pending, batch, criterion));
    }
    progress.advance();
  }
  progress.done();
  forward.release();
  const seconds = (performance.now() - begun) / 1000;
  const more = await extra?.measure(dataset, used);
  const validation = { sums, batches: used.length, seconds, numUpdates: 0, extra: more };
  const noBest = { metric: "", value: undefined, maximize: false };
  const stats = new Map(validationStats(criterion, validation, noBest));
  stats.delete("num_updates"); // a finished model makes none
  return stats;
}

/** `... | INFO | valid | valid on 'valid' subset | loss 4.21 | ...`, or JSON. */
function statsLine(subset: string, stats: Stats, { log_format }: ValidationCommonConfig): string {
  const texts = [...stats].map(([name, value]) => [name, formatGeneral(value)] as const);
  const body =
    log_format === "json"
      ? `{${texts.map(([name, text]) => `"${subset}_${name}": "${text}"`).join(", ")}}`
      : [`valid on '${subset}' subset`, ...texts.map((pair) => pair.join(" "))].join(" | ");
  return logLine(new Date(), subset, body);
}
