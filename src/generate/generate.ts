// `weft generate` from a parsed configuration: translates one set of a data folder.
import type { Chosen } from "../config/choice.ts";
import type { EvaluationCommonConfig } from "../config/schemas/common.ts";
import type { DeviceConfig } from "../config/schemas/device.ts";
import type { EvaluationConfig } from "../config/schemas/evaluation.ts";
import type { GenerationConfig } from "../config/schemas/generation.ts";
import type { GenerationDataConfig } from "../config/schemas/generation_data.ts";
import type { TextCodecConfig } from "../config/schemas/text_codec.ts";
import { UserError } from "../config/user_error.ts";
import type { LanguagePairBatch } from "../data/language_pair_batch.ts";
import type { LanguagePairDataset } from "../data/language_pair_dataset.ts";
import type { Hypothesis } from "../decode/hypothesis.ts";
import { scoreLine, sourceLine, targetLine, totalsLine } from "../decode/output_lines.ts";
import { CpuDevice } from "../device/cpu/cpu_device.ts";
import type { Device } from "../device/device.ts";
import type { Scorer } from "../score/scorer.ts";
import type { ScorerComponent } from "../scorer_components.ts";
import { type EvaluationBatches, evaluationBatches } from "./evaluation_batches.ts";
import { hypothesisBlock } from "./hypothesis_block.ts";
import type { EnsembleSource } from "./load_ensemble.ts";
import type { OutputText, SourceText } from "./output_text.ts";
import { type ResultWriter, resultWriter } from "./result_writer.ts";
import type { Available } from "./stored_plugins.ts";
import type { TaskFlags } from "./stored_task.ts";
import { openTextTranslator } from "./text_translator.ts";
import { inTurn, type TranslateBatch, TranslationTeam } from "./translation_team.ts";
import type { Translator } from "./translator.ts";
import {
  type EvaluationTerminal,
  type LoadedModels,
  withModels,
  withoutBar,
} from "./with_models.ts";

/** The components there are, and the command line that other threads can begin with. */
export interface AvailableWithArgs extends Available {
  readonly args: readonly string[];
}

/** The parsed sections of `weft generate`. */
export interface GenerateConfig {
  readonly data: GenerationDataConfig;
  readonly evaluation: EvaluationConfig;
  readonly generation: GenerationConfig;
  readonly scoring: Chosen<ScorerComponent>;
  readonly text: TextCodecConfig;
  readonly device: DeviceConfig;
  readonly common: EvaluationCommonConfig;
}

/**
 * Translates a set and prints fairseq's lines, then the score of the best hypotheses.
 *
 * @throws UserError for flags, files or sentences that will not do.
 */
export async function generate(
  config: GenerateConfig,
  task: TaskFlags,
  available: AvailableWithArgs,
  screen: EvaluationTerminal,
): Promise<void> {
  const { data, evaluation, common } = config;
  const terminal = common.no_progress_bar ? withoutBar(screen) : screen;
  if (config.generation.constraints !== undefined) {
    throw new UserError({
      place: "--constraints",
      problem: "a data folder holds none",
      remedy: "put them behind the source lines of a text: weft interactive --input FILE",
    });
  }
  let team: TranslationTeam | undefined;
  const onDevice = (device: Device): void => {
    // A profile is that of one device.
    if (common.profile !== undefined || !(device instanceof CpuDevice)) return;
    if (device.threads > 1) team = new TranslationTeam(device, available.args);
  };
  const settings = { device: config.device, profile: common.profile, onDevice };
  const source = sourceOf(config, task);
  try {
    await withModels(settings, source, available, terminal, async (loaded) => {
      const { results_path } = evaluation;
      const writer = resultWriter(results_path, `generate-${data.gen_subset}.txt`, terminal);
      const run = new GenerateRun(config, loaded, terminal, writer);
      try {
        await run.run(team);
      } finally {
        run.close();
        writer.close();
      }
    });
  } finally {
    team?.close();
  }
}

/** Where the models of a configuration are. */
export function sourceOf({ data, evaluation }: GenerateConfig, task: TaskFlags): EnsembleSource {
  return {
    path: evaluation.path,
    ema: evaluation.ema,
    modelOverrides: evaluation.model_overrides,
    data: data.data,
    datasetImpl: data.dataset_impl,
    padToMultiple: data.required_seq_len_multiple,
    task,
  };
}

/** Translates batches by their numbers. */
export const translatesBatches =
  ({ batches, dataset }: EvaluationBatches, translator: Translator): TranslateBatch =>
  async (number) => {
    const batch = dataset.batch(batches[number]);
    return batch ? await translator.translate(batch) : [];
  };

/** What an unknown word was is not in binarised data; a dictionary of words needs it too. */
function requireText({ source }: LanguagePairDataset): void {
  if (source.lines !== undefined) return;
  throw new UserError({
    place: "--replace-unk",
    problem: "binarised data does not tell what its unknown words were",
    remedy: "translate the raw text: --dataset-impl raw, or weft interactive",
  });
}

class GenerateRun {
  private readonly work: EvaluationBatches;
  private readonly translator: Translator;
  private readonly text: OutputText;
  private readonly scorer: Scorer;
  private sentences = 0;
  private tokens = 0;
  private seconds = 0;
  private incomplete = 0;

  constructor(
    private readonly config: GenerateConfig,
    loaded: LoadedModels,
    private readonly terminal: EvaluationTerminal,
    private readonly writer: ResultWriter,
  ) {
    const { data, generation, scoring, common } = config;
    const { task, limits } = loaded;
    const set = task.loadDataset(data.gen_subset);
    if (generation.replace_unk !== undefined) requireText(set);
    this.work = evaluationBatches(set, data, limits, data.gen_subset, common.seed);
    const { translator, text } = openTextTranslator(loaded, config);
    this.translator = translator;
    this.text = text;
    const { special: symbols } = translator;
    this.scorer = scoring.component.build(scoring.config, { symbols });
  }

  /** @param team threads that may share the batches with this one. */
  async run(team: TranslationTeam | undefined): Promise<void> {
    const { data, evaluation, generation } = this.config;
    const { batches, dataset, report } = this.work;
    if (report.message) this.terminal.log(report.message);
    const progress = this.terminal.progress(`generate ${data.gen_subset}`, batches.length);
    const translate = translatesBatches(this.work, this.translator);
    const results = team?.divides(batches.length)
      ? team.translate(batches.length, translate)
      : inTurn(batches.length, translate);
    try {
      for (const ids of batches) {
        const begun = performance.now();
        const { value: found } = await results.next();
        this.seconds += (performance.now() - begun) / 1000;
        const batch = dataset.batch(ids);
        if (batch && found) this.print(batch, found);
        progress.advance(1, { "tokens/s": this.rate() });
      }
    } finally {
      progress.done();
    }
    this.refuseLosses();
    const { sentences, tokens, seconds } = this;
    this.say(totalsLine({ sentences, tokens, seconds }));
    if (dataset.target === undefined) return;
    const result = scoreLine(data.gen_subset, generation.beam, this.scorer.result());
    this.writer.line(result);
    if (this.writer.path !== undefined) this.say(`${result}\nwrote ${this.writer.path}`);
    const signature = this.scorer.signature?.();
    if (signature !== undefined && !evaluation.quiet) this.say(signature);
    const warning = this.scorer.warning?.();
    if (warning !== undefined) this.say(warning);
  }

  close(): void {
    this.translator.close();
  }

  private print(batch: LanguagePairBatch, found: readonly Hypothesis[][]): void {
    const [rows, width] = batch.srcTokens.shape;
    for (let row = 0; row < rows; row++) {
      const id = batch.ids[row];
      const source: SourceText = {
        tokens: batch.srcTokens.data.subarray(row * width, (row + 1) * width),
        line: this.work.dataset.source.lines?.[id],
      };
      this.sentences++;
      this.tokens += found[row][0].tokens.length;
      if (!found[row][0].complete) this.incomplete++;
      this.printSentence(id, source, found[row]);
    }
  }

  private printSentence(id: number, source: SourceText, hypotheses: readonly Hypothesis[]): void {
    const { text, scorer, writer } = this;
    const { quiet } = this.config.evaluation;
    const { generation } = this.config;
    const tokens = this.work.dataset.target?.get(id);
    const line = this.work.dataset.target?.lines?.[id];
    const reference = tokens && text.decode(text.reference(tokens, line));
    if (!quiet) writer.line(sourceLine(id, text.decode(text.source(source))));
    if (!quiet && reference !== undefined) writer.line(targetLine(id, reference));
    for (const [rank, hypothesis] of hypotheses.slice(0, generation.nbest).entries()) {
      const printed = text.hypothesis(hypothesis, source);
      if (!quiet) {
        const block = hypothesisBlock(id, hypothesis, printed, generation.print_step);
        for (const each of block) writer.line(each);
      }
      if (rank > 0 || tokens === undefined || reference === undefined) continue;
      // Tokens stand for themselves only while nothing was joined or replaced.
      const changed = text.replacesUnknown || generation.post_process !== undefined;
      scorer.add(
        { text: reference, tokens: changed ? undefined : tokens },
        { text: printed.detokenized, tokens: changed ? undefined : hypothesis.tokens },
      );
    }
  }

  /** Every sentence that was not skipped by name must have come out. */
  private refuseLosses(): void {
    const expected = this.work.batches.reduce((sum, ids) => sum + ids.length, 0);
    if (this.sentences !== expected) {
      throw new Error(`generate: ${expected} sentences in, ${this.sentences} out`);
    }
    if (this.incomplete > 0) {
      this.say(`${this.incomplete} outputs reached the length limit without a legal end`);
    }
  }

  private rate(): string {
    return (this.seconds > 0 ? this.tokens / this.seconds : 0).toFixed(0);
  }

  private say(line: string): void {
    this.terminal.log(line);
  }
}
