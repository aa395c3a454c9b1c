// `weft interactive` from a parsed configuration: translates lines as they come.
import type { BatchingConfig } from "../config/schemas/batching.ts";
import type { EvaluationCommonConfig } from "../config/schemas/common.ts";
import type { DeviceConfig } from "../config/schemas/device.ts";
import type { EvaluationConfig } from "../config/schemas/evaluation.ts";
import type { InteractiveDataConfig } from "../config/schemas/generation_data.ts";
import type { TextCodecConfig } from "../config/schemas/text_codec.ts";
import { UserError } from "../config/user_error.ts";
import type { LanguagePairDataset } from "../data/language_pair_dataset.ts";
import { evaluationPolicy, filterIndicesBySize } from "../data/length_limits.ts";
import type { TextCodec } from "../data/text_codec.ts";
import type { Hypothesis } from "../decode/hypothesis.ts";
import { constraintLine, secondsLine, sourceLine } from "../decode/output_lines.ts";
import { evaluationBatches } from "./evaluation_batches.ts";
import { hypothesisBlock } from "./hypothesis_block.ts";
import { inGroups, inputLines } from "./input_lines.ts";
import type { OutputText, SourceText } from "./output_text.ts";
import type { SearchFlags } from "./search_options.ts";
import type { Available } from "./stored_plugins.ts";
import type { TaskFlags } from "./stored_task.ts";
import { openTextTranslator } from "./text_translator.ts";
import type { Translator } from "./translator.ts";
import { type EvaluationTerminal, type LoadedModels, withModels } from "./with_models.ts";

/** The parsed sections of `weft interactive`. */
export interface InteractiveConfig {
  readonly data: InteractiveDataConfig;
  readonly batching: BatchingConfig;
  readonly evaluation: Pick<EvaluationConfig, "path" | "ema" | "model_overrides">;
  readonly generation: SearchFlags;
  readonly text: TextCodecConfig;
  readonly device: DeviceConfig;
  readonly common: Pick<EvaluationCommonConfig, "seed" | "profile">;
}

/**
 * Translates the lines of a file or of standard input and prints fairseq's lines in their order.
 *
 * @throws UserError for flags, files or lines that will not do.
 */
export async function interactive(
  config: InteractiveConfig,
  task: TaskFlags,
  available: Available,
  terminal: EvaluationTerminal,
): Promise<void> {
  const { data, evaluation, batching } = config;
  refuseReferences(config.generation);
  const source = {
    path: evaluation.path,
    ema: evaluation.ema,
    modelOverrides: evaluation.model_overrides,
    data: data.data,
    padToMultiple: batching.required_seq_len_multiple,
    task,
  };
  const settings = { device: config.device, profile: config.common.profile };
  await withModels(settings, source, available, terminal, async (loaded) => {
    const session = new Session(config, loaded, terminal);
    try {
      terminal.log("NOTE: hypothesis and token scores are output in base 2");
      if (data.input === "-") terminal.log("Type the input sentence and press return:");
      const lines = inputLines(data.input);
      for await (const group of inGroups(lines, Math.max(1, data.buffer_size))) {
        await session.translate(group);
      }
      terminal.log(session.summary());
    } finally {
      session.close();
    }
  });
}

/** What was typed in has no other side. */
function refuseReferences({ score_reference, prefix_size }: SearchFlags): void {
  const flag = score_reference
    ? "--score-reference"
    : prefix_size > 0
      ? "--prefix-size"
      : undefined;
  if (flag === undefined) return;
  throw new UserError({
    place: flag,
    problem: "lines that are typed in have no references",
    remedy: "leave it out, or use weft generate on data with both sides",
  });
}

/** A line of input, as far as the model is concerned. */
interface Typed {
  /** Pieces, joined by spaces. */
  readonly pieces: string;
  readonly tokens: Int32Array;
  /** Phrases that the output must hold. */
  readonly constraints: readonly Int32Array[];
}

class Session {
  /** Lines read so far: the number of the next one. */
  private read = 0;
  private translated = 0;
  private seconds = 0;
  private readonly translator: Translator;
  private readonly text: OutputText;
  private readonly codec: TextCodec;

  constructor(
    private readonly config: InteractiveConfig,
    private readonly loaded: LoadedModels,
    private readonly terminal: EvaluationTerminal,
  ) {
    const { translator, text, codec } = openTextTranslator(loaded, config);
    this.translator = translator;
    this.text = text;
    this.codec = codec;
  }

  /** Translates lines together and prints the results in their order. */
  async translate(lines: readonly string[]): Promise<void> {
    const typed = lines.map((line) => this.understand(line));
    const all = this.loaded.task.datasetOf(typed.map(({ tokens }) => tokens));
    const { batching, generation, common } = this.config;
    const flags = { ...batching, num_shards: 1, shard_id: 0 };
    // fairseq takes one line at a time unless told otherwise, whatever the buffer holds.
    if (flags.max_tokens === undefined) flags.batch_size ??= 1;
    const { limits } = this.loaded;
    this.announceTooLong(all, flags);
    const { dataset, batches } = evaluationBatches(all, flags, limits, "input", common.seed);
    const printed: string[][] = lines.map(() => []);
    for (const members of batches) {
      const batch = dataset.batch(members);
      if (!batch) continue;
      const constraints = generation.constraints && [...batch.ids].map((i) => typed[i].constraints);
      // A line's number in the whole input: what is drawn for it depends on nothing else.
      const ids = batch.ids.map((i) => this.read + i);
      const begun = performance.now();
      const found = await this.translator.translate(batch, { constraints, ids });
      const seconds = (performance.now() - begun) / 1000;
      this.seconds += seconds;
      const [rows, width] = batch.srcTokens.shape;
      for (let row = 0; row < rows; row++) {
        const i = batch.ids[row];
        const tokens = batch.srcTokens.data.subarray(row * width, (row + 1) * width);
        const source = { tokens, line: typed[i].pieces };
        const each = { source, found: found[row], seconds: seconds / rows };
        printed[i] = this.linesOf(ids[row], typed[i], each);
        this.translated++;
        if (!found[row][0].complete) this.announceIncomplete(ids[row]);
      }
    }
    for (const line of printed.flat()) this.terminal.line(line);
    this.read += lines.length;
  }

  summary(): string {
    const skipped = this.read - this.translated;
    const others = skipped === 0 ? "" : `, skipped ${skipped}`;
    return `Translated ${this.translated} lines in ${this.seconds.toFixed(1)}s${others}`;
  }

  /**
   * Says of each line that is longer than the model takes what becomes of it.
   *
   * @throws UserError under --on-too-long error.
   */
  private announceTooLong(lines: LanguagePairDataset, flags: BatchingConfig): void {
    const { limits } = this.loaded;
    const policy = evaluationPolicy(flags);
    const all = Int32Array.from({ length: lines.length }, (_, i) => i);
    for (const i of filterIndicesBySize(lines, all, limits).tooLong) {
      const place = `line ${this.read + i + 1}`;
      const problem = `has ${lines.size(i)[0]} tokens, more than ${limits[0]}`;
      if (policy === "error") {
        const remedy = "choose --on-too-long truncate or skip, or raise --max-source-positions";
        throw new UserError({ place, problem, remedy });
      }
      this.terminal.log(`${place}: ${problem}: ${policy === "skip" ? "skipped" : "cut"}`);
    }
  }

  private announceIncomplete(id: number): void {
    const lacks = this.config.generation.constraints ? "all of its constraints" : "a legal end";
    this.terminal.log(`line ${id + 1}: the output reached the length limit without ${lacks}`);
  }

  close(): void {
    this.translator.close();
  }

  /** With --constraints, phrases stand behind the line, in columns. */
  private understand(line: string): Typed {
    const { sourceDictionary, targetDictionary } = this.loaded.task;
    const [first, ...phrases] =
      this.config.generation.constraints === undefined ? [line] : line.split("\t");
    const pieces = this.codec.encode(first);
    return {
      pieces,
      tokens: sourceDictionary.encodeLine(pieces),
      constraints: phrases.map((phrase) =>
        targetDictionary.encodeLine(this.codec.encode(phrase), { appendEos: false }),
      ),
    };
  }

  private linesOf(
    id: number,
    { constraints }: Typed,
    result: { source: SourceText; found: readonly Hypothesis[]; seconds: number },
  ): string[] {
    const { source, found, seconds } = result;
    const { nbest, print_step, post_process } = this.config.generation;
    const { targetDictionary } = this.loaded.task;
    const spell = (tokens: Int32Array) =>
      targetDictionary.string(tokens, { postProcess: post_process });
    return [
      sourceLine(id, this.text.source(source)),
      secondsLine(id, seconds),
      ...constraints.map((tokens) => constraintLine(id, spell(tokens))),
      ...found
        .slice(0, nbest)
        .flatMap((hypothesis) =>
          hypothesisBlock(id, hypothesis, this.text.hypothesis(hypothesis, source), print_step),
        ),
    ];
  }
}
