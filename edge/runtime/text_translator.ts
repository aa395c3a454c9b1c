import { UserError } from "../../src/config/user_error.ts";
import type { Hypothesis, SpecialTokens } from "../../src/decode/hypothesis.ts";
import { beamSearch } from "../../src/decode/search/beam.ts";
import { seededDraw } from "../../src/decode/search/draw.ts";
import { sampling } from "../../src/decode/search/sampling.ts";
import { SequenceGenerator } from "../../src/decode/sequence_generator.ts";
import { SequenceScorer } from "../../src/decode/sequence_scorer.ts";
import type { SourceBatch, StepDecoder } from "../../src/decode/step_decoder.ts";
import type { Manifest } from "./manifest.ts";
import { joinSentences, splitSentences } from "./sentences.ts";
import { StepTargetScorer } from "./step_target_scorer.ts";
import type { BundleText } from "./text.ts";
import type {
  EdgeTranslator,
  HypothesisResult,
  RequestOptions,
  SentenceResult,
  TextResult,
} from "./translator.ts";
import { Turnstile } from "./turnstile.ts";

/** What computes for a translator. */
export interface TranslatorEngine {
  readonly decoder: StepDecoder;
  readonly memory: EdgeTranslator["memory"];
  close(): void;
}

/** Sentences searched at a time; the others wait for one of them to end. */
const SENTENCES = 32;

export class TextTranslator implements EdgeTranslator {
  readonly maxSourceTokens: number;
  private readonly special: SpecialTokens;
  private readonly turnstile = new Turnstile(SENTENCES);

  /** @param place the bundle's name in messages. */
  constructor(
    readonly manifest: Manifest,
    private readonly text: BundleText,
    private readonly engine: TranslatorEngine,
    private readonly place: string,
  ) {
    this.maxSourceTokens = manifest.architecture.encoder.max_positions;
    const { bosIndex: bos, padIndex: pad, eosIndex: eos, unkIndex: unk } = text.target;
    this.special = { bos, pad, eos, unk };
  }

  get memory(): EdgeTranslator["memory"] {
    return this.engine.memory;
  }

  async translate(text: string, options: RequestOptions = {}): Promise<TextResult> {
    const { sentences, spaces } = splitSentences(text);
    const sources = sentences.map((sentence) => this.encode(sentence));
    const partial = sentences.map(() => "");
    const { onPartial, prefix, ...rest } = options;
    const results = await Promise.all(
      sources.map((tokens, i) =>
        this.search(sentences[i], tokens, {
          ...rest,
          prefix: i === 0 ? prefix : undefined,
          onPartial:
            onPartial &&
            ((begun) => {
              partial[i] = begun;
              onPartial(joinSentences(partial, spaces));
            }),
        }),
      ),
    );
    const best = results.map(({ hypotheses }) => hypotheses[0].text);
    return { text: joinSentences(best, spaces), sentences: results };
  }

  generate(text: string, options: RequestOptions = {}): Promise<SentenceResult> {
    return this.search(text, this.encode(text), options);
  }

  async score(
    source: string,
    target: string,
    { alignments = false, signal }: Pick<RequestOptions, "alignments" | "signal"> = {},
  ): Promise<HypothesisResult> {
    const tokens = this.encode(source, "source");
    const wanted = this.text.target.encodeLine(this.text.codec.encode(target));
    const { max_positions } = this.manifest.architecture.decoder;
    if (wanted.length > max_positions) {
      throw this.refusal("target", `${wanted.length} tokens`, `give at most ${max_positions}`);
    }
    return this.turnstile.pass(signal, async () => {
      const scorer = new StepTargetScorer(this.engine.decoder, this.special.eos, {
        attention: alignments,
        signal,
      });
      const batch = { source: oneSentence(tokens), target: wanted, targetWidth: wanted.length };
      const [hypothesis] = await new SequenceScorer([scorer], this.special, this.place).score(
        batch,
      );
      return this.result(hypothesis, tokens);
    });
  }

  close(): void {
    this.engine.close();
  }

  /** Source tokens of one sentence. @throws UserError if there are too many. */
  private encode(sentence: string, field = "text"): Int32Array {
    const tokens = this.text.source.encodeLine(this.text.codec.encode(sentence));
    if (tokens.length <= this.maxSourceTokens) return tokens;
    throw this.refusal(
      field,
      `a sentence has ${tokens.length} tokens: ${JSON.stringify(`${sentence.slice(0, 40)}...`)}`,
      `the model takes at most ${this.maxSourceTokens}: split the sentence`,
    );
  }

  private async search(
    sentence: string,
    tokens: Int32Array,
    options: RequestOptions,
  ): Promise<SentenceResult> {
    const { signal, onPartial, nbest = 1 } = options;
    const generator = this.generator(options);
    const hypotheses = await this.turnstile.pass(signal, async () => {
      const [found] = await generator.generate(oneSentence(tokens), {
        prefix: this.prefix(options.prefix),
        breathe: async () => signal?.throwIfAborted(),
        observe: onPartial && ((_, said) => onPartial(this.textOf(said))),
      });
      return found;
    });
    onPartial?.(this.textOf(hypotheses[0].tokens));
    const best = hypotheses.slice(0, nbest);
    return { source: sentence, hypotheses: best.map((each) => this.result(each, tokens)) };
  }

  private generator(options: RequestOptions): SequenceGenerator {
    const { beam = 5, nbest = 1, lenpen, max_len, min_len, temperature } = options;
    if (nbest > beam) throw this.refusal("nbest", `${nbest} of ${beam}`, "raise beam");
    const draw = options.sampling;
    const { topk: topK = -1, topp: topP = -1 } = draw ?? {};
    const strategy = draw
      ? sampling({ topK: topK || -1, topP: topP || -1, draw: seededDraw(draw.seed) })
      : beamSearch;
    const search = {
      beam,
      lenpen,
      maxLenB: max_len,
      minLen: min_len,
      temperature,
      noRepeatNgramSize: options.no_repeat_ngram_size,
      attention: options.alignments,
      strategy,
    };
    const given = Object.entries(search).filter(([, value]) => value !== undefined);
    const { decoder } = this.engine;
    return new SequenceGenerator(decoder, Object.fromEntries(given), this.special, this.place);
  }

  private prefix(prefix: string | undefined): { tokens: Int32Array; width: number } | undefined {
    if (prefix === undefined || prefix === "") return undefined;
    const pieces = this.text.codec.encode(prefix);
    const tokens = this.text.target.encodeLine(pieces, { appendEos: false });
    return { tokens, width: tokens.length };
  }

  private textOf(tokens: Int32Array): string {
    return this.text.codec.decode(this.text.target.string(tokens));
  }

  private result(hypothesis: Hypothesis, sourceTokens: Int32Array): HypothesisResult {
    const { source, target } = this.text;
    const { tokens, positionalScores, score, attention } = hypothesis;
    const S = sourceTokens.length;
    const weights =
      attention && Array.from(tokens, (_, t) => Array.from(attention.subarray(t * S, (t + 1) * S)));
    return {
      text: this.textOf(tokens),
      score,
      tokens: Array.from(tokens, (token, t) => ({
        token: target.symbol(token),
        score: positionalScores[t],
      })),
      alignment: weights && {
        source: Array.from(sourceTokens, (token) => source.symbol(token)),
        weights,
      },
    };
  }

  private refusal(place: string, problem: string, remedy: string): UserError {
    return new UserError({ place, problem, remedy });
  }
}

const oneSentence = (tokens: Int32Array): SourceBatch => ({
  tokens,
  sentences: 1,
  width: tokens.length,
});
