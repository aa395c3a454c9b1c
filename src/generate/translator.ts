// Batches of sources to hypotheses: what generate, interactive and --eval-bleu share.
import { UserError } from "../config/user_error.ts";
import { collateTokens } from "../data/collate_tokens.ts";
import type { Dictionary } from "../data/dictionary.ts";
import type { LanguagePairBatch } from "../data/language_pair_batch.ts";
import { ensemble } from "../decode/ensemble.ts";
import type { Hypothesis, SpecialTokens } from "../decode/hypothesis.ts";
import { type GenerationInput, SequenceGenerator } from "../decode/sequence_generator.ts";
import { SequenceScorer } from "../decode/sequence_scorer.ts";
import type { SourceBatch } from "../decode/step_decoder.ts";
import type { Device } from "../device/device.ts";
import type { Span } from "../device/spans.ts";
import { DeviceStepDecoder } from "../models/device_step_decoder.ts";
import { DeviceTargetScorer } from "../models/device_target_scorer.ts";
import type { EncoderDecoderModel } from "../models/model.ts";
import { type SearchFlags, searchOptions } from "./search_options.ts";

export interface TranslatorParts {
  readonly device: Device;
  /** Several work as an ensemble. */
  readonly models: readonly EncoderDecoderModel[];
  /** Where they come from, for messages. */
  readonly origin?: string;
  readonly targetDictionary: Dictionary;
  readonly config: SearchFlags;
  /** Of sampling. */
  readonly seed: number;
  /** When given, every run on the device appends its spans. */
  readonly spans?: Span[];
  /** Awaited before each step of the search. */
  readonly breathe?: () => Promise<void>;
}

export class Translator {
  readonly special: SpecialTokens;
  private readonly decoders: readonly DeviceStepDecoder[];
  private readonly scorers: readonly DeviceTargetScorer[];
  private readonly generator: SequenceGenerator;
  private readonly scorer: SequenceScorer;
  /** Whether words are aligned in a pass over the finished output. */
  private readonly alignsFinishedOutput: boolean;

  constructor(private readonly parts: TranslatorParts) {
    const { device, models, origin, targetDictionary, config, seed, spans } = parts;
    const { length: vocabulary, bosIndex: bos, padIndex: padding } = targetDictionary;
    const { eosIndex: eos, unkIndex: unk } = targetDictionary;
    this.special = { bos, pad: padding, eos, unk };
    const options = searchOptions(config, seed);
    const { attention = false } = options;
    this.alignsFinishedOutput = attention && models.some((model) => model.alignsFinishedOutput);
    this.decoders = models.map(
      (model) => new DeviceStepDecoder(device, model, { vocabulary, padding, spans }),
    );
    this.scorers = models.map(
      (model) =>
        new DeviceTargetScorer(device, model, { vocabulary, padding, eos, attention, spans }),
    );
    const { special } = this;
    this.generator = new SequenceGenerator(ensemble(this.decoders), options, special, origin);
    this.scorer = new SequenceScorer(this.scorers, special, origin);
  }

  /**
   * Hypotheses of every sentence in the order of the batch, best first: under --score-reference
   * one, its reference.
   *
   * @param asked for each sentence of the batch, the pieces its output must hold, and its number
   *   where that is not the data set's: draws depend on it.
   * @throws UserError naming the sentences for which the models compute no numbers.
   */
  async translate(
    batch: LanguagePairBatch,
    asked: Pick<GenerationInput, "constraints" | "ids"> = {},
  ): Promise<Hypothesis[][]> {
    const [sentences, width] = batch.srcTokens.shape;
    const source: SourceBatch = { tokens: batch.srcTokens.data, sentences, width };
    if (this.parts.config.score_reference) {
      const references = referencesOf(batch, "--score-reference", this.special.pad);
      return (await this.score(source, references, batch.ids)).map((hypothesis) => [hypothesis]);
    }
    const prefix = this.prefix(batch);
    const { breathe } = this.parts;
    const input = { prefix, ids: batch.ids, ...asked, breathe };
    const found = await this.generator.generate(source, input);
    return this.alignsFinishedOutput ? await this.alignFinished(source, found) : found;
  }

  /** Gives device memory back. */
  close(): void {
    for (const part of [...this.decoders, ...this.scorers]) part.close();
  }

  private score(
    source: SourceBatch,
    targets: readonly Int32Array[],
    ids?: Int32Array,
  ): Promise<Hypothesis[]> {
    const { data: target, shape } = collateTokens(targets, { pad: this.special.pad });
    return this.scorer.score({ source, target, targetWidth: shape[1], ids });
  }

  private prefix(batch: LanguagePairBatch): GenerationInput["prefix"] {
    const size = this.parts.config.prefix_size;
    if (size === 0) return undefined;
    const { pad } = this.special;
    const references = referencesOf(batch, "--prefix-size", pad);
    const begun = references.map((tokens) => tokens.subarray(0, size));
    const { data: tokens, shape } = collateTokens(begun, { pad });
    return { tokens, width: shape[1] };
  }

  /** The hypotheses that are printed, with the attention of a pass over each; a rank at a time. */
  private async alignFinished(
    source: SourceBatch,
    found: readonly Hypothesis[][],
  ): Promise<Hypothesis[][]> {
    const aligned = found.map((list) => [...list]);
    for (let rank = 0; rank < this.parts.config.nbest; rank++) {
      const rows = found.flatMap((list, sentence) => (rank < list.length ? [sentence] : []));
      if (rows.length === 0) break;
      const chosen = chooseRows(source, rows);
      const scored = await this.score(
        chosen,
        rows.map((sentence) => found[sentence][rank].tokens),
      );
      for (const [row, sentence] of rows.entries()) {
        aligned[sentence][rank] = { ...found[sentence][rank], attention: scored[row].attention };
      }
    }
    return aligned;
  }
}

/** The references of a batch without padding. */
function referencesOf({ target }: LanguagePairBatch, flag: string, pad: number): Int32Array[] {
  if (target === undefined) {
    throw new UserError({
      place: flag,
      problem: "the data has no references",
      remedy: "give data with both sides, or leave the flag out",
    });
  }
  const [rows, width] = target.shape;
  return Array.from({ length: rows }, (_, row) =>
    target.data.subarray(row * width, (row + 1) * width).filter((token) => token !== pad),
  );
}

function chooseRows({ tokens, width }: SourceBatch, rows: readonly number[]): SourceBatch {
  const chosen = new Int32Array(rows.length * width);
  for (const [i, row] of rows.entries()) {
    chosen.set(tokens.subarray(row * width, (row + 1) * width), i * width);
  }
  return { tokens: chosen, sentences: rows.length, width };
}
