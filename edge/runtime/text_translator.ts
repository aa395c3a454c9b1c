import { UserError } from "../../src/config/user_error.ts";
import type { Dictionary } from "../../src/data/dictionary.ts";
import type { Hypothesis, SpecialTokens } from "../../src/decode/hypothesis.ts";
import { beamSearch } from "../../src/decode/search/beam.ts";
import { seededDraw } from "../../src/decode/search/draw.ts";
import { sampling } from "../../src/decode/search/sampling.ts";
import { SequenceGenerator } from "../../src/decode/sequence_generator.ts";
import { SequenceScorer } from "../../src/decode/sequence_scorer.ts";
import type { SourceBatch, StepDecoder } from "../../src/decode/step_decoder.ts";
import type { Manifest } from "./manifest.ts";
import { PartialText } from "./partial_text.ts";
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
  /** What it is, for people. */
  readonly name: string;
  readonly decoder: StepDecoder;
  readonly memory: EdgeTranslator["memory"];
  /** Sentences searched at a time; the others wait for one of them to end. */
  readonly sentences: number;
  close(): void;
}

export class TextTranslator implements EdgeTranslator {
  readonly maxSourceTokens: number;
  readonly isReady = true;
  private readonly special: SpecialTokens;
  private readonly turnstile: Turnstile;

  /** @param place the bundle's name in messages. */
  constructor(
    readonly manifest: Manifest,
    private readonly text: BundleText,
    private readonly computer: TranslatorEngine,
    private readonly place: string,
  ) {
    this.turnstile = new Turnstile(computer.sentences);
    this.maxSourceTokens = manifest.architecture.encoder.max_positions;
    const { bosIndex: bos, padIndex: pad, eosIndex: eos, unkIndex: unk } = text.target;
    this.special = { bos, pad, eos, unk };
  }

  get engine(): string {
    return this.computer.name;
  }

  get memory(): EdgeTranslator["memory"] {
    return this.computer.memory;
  }

  async translate(text: string, options: RequestOptions = {}): Promise<TextResult> {
    const { sentences, spaces } = splitSentences(text);
    const { prefix, onPartial, signal, ...rest } = options;
    // One sentence that fails stops the others, so that nothing runs on for a request that is over.
    const failed = new AbortController();
    const stopped = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal;
    const partial = new PartialText(spaces, onPartial);
    const party = {};
    const searches = sentences.map(async (sentence, i) => {
      const own = {
        ...rest,
        signal: stopped,
        prefix: i === 0 ? prefix : undefined,
        onPartial: onPartial && ((begun: string) => partial.say(i, begun)),
      };
      try {
        return await this.search(sentence, own, party);
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    });
    try {
      const results = await Promise.all(searches);
      const best = results.map(({ hypotheses }) => hypotheses[0].text);
      const whole = joinSentences(best, spaces);
      partial.end(whole);
      return { text: whole, sentences: results };
    } catch (error) {
      await Promise.allSettled(searches);
      throw error;
    }
  }

  generate(text: string, options: RequestOptions = {}): Promise<SentenceResult> {
    return this.search(text, options, {});
  }

  async score(
    source: string,
    target: string,
    { alignments = false, signal }: Pick<RequestOptions, "alignments" | "signal"> = {},
  ): Promise<HypothesisResult> {
    const tokens = this.encode(source, "source");
    const { target: dictionary, codec } = this.text;
    const wanted = asWords(dictionary, dictionary.encodeLine(codec.encode(target)));
    const { max_positions } = this.manifest.architecture.decoder;
    if (wanted.length > max_positions) {
      throw this.refusal("target", `${wanted.length} tokens`, `give at most ${max_positions}`);
    }
    return this.turnstile.pass({}, signal, async () => {
      const scorer = new StepTargetScorer(this.computer.decoder, this.special.eos, {
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
    this.computer.close();
  }

  /** Source tokens of one sentence. @throws UserError if there are too many. */
  private encode(sentence: string, field = "text"): Int32Array {
    const { source, codec } = this.text;
    const tokens = asWords(source, source.encodeLine(codec.encode(sentence)));
    if (tokens.length <= this.maxSourceTokens) return tokens;
    throw this.refusal(
      field,
      `a sentence has ${tokens.length} tokens: ${JSON.stringify(`${sentence.slice(0, 40)}...`)}`,
      `the model takes at most ${this.maxSourceTokens}: split the sentence`,
    );
  }

  /** @param party the request that the sentence belongs to. */
  private async search(
    sentence: string,
    options: RequestOptions,
    party: object,
  ): Promise<SentenceResult> {
    const { signal, onPartial, nbest = 1 } = options;
    const generator = this.generator(options);
    const prefix = this.prefix(options);
    return this.turnstile.pass(party, signal, async () => {
      const tokens = this.encode(sentence);
      const [hypotheses] = await generator.generate(oneSentence(tokens), {
        prefix,
        breathe: async () => signal?.throwIfAborted(),
        observe: onPartial && ((_, said) => onPartial(this.textOf(said))),
      });
      onPartial?.(this.textOf(hypotheses[0].tokens));
      const best = hypotheses.slice(0, nbest);
      return { source: sentence, hypotheses: best.map((each) => this.result(each, tokens)) };
    });
  }

  private generator(options: RequestOptions): SequenceGenerator {
    const { beam = 5, nbest = 1, lenpen, max_len = 200, min_len = 1, temperature } = options;
    if (nbest > beam) throw this.refusal("nbest", `${nbest} of a beam of ${beam}`, "raise beam");
    const most = this.computer.decoder.vocabulary - 1;
    if (beam > most) throw this.refusal("beam", `${beam} is too wide`, `give at most ${most}`);
    const longest = this.longest(max_len);
    if (min_len > longest) {
      throw this.refusal("min_len", `${min_len} exceeds max_len ${longest}`, "lower it");
    }
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
    const { decoder } = this.computer;
    return new SequenceGenerator(decoder, Object.fromEntries(given), this.special, this.place);
  }

  private prefix({
    prefix,
    max_len = 200,
  }: RequestOptions): { tokens: Int32Array; width: number } | undefined {
    if (prefix === undefined || prefix === "") return undefined;
    const { target, codec } = this.text;
    const tokens = asWords(target, target.encodeLine(codec.encode(prefix), { appendEos: false }));
    const longest = this.longest(max_len);
    if (tokens.length <= longest) return { tokens, width: tokens.length };
    const isAsked = longest === max_len;
    throw this.refusal(
      "prefix",
      `${tokens.length} tokens, more than ${isAsked ? "max_len" : "the model's outputs may have:"} ${longest}`,
      isAsked ? "raise max_len, or shorten it" : "shorten it",
    );
  }

  /** Tokens that an output may have, less its eos: as many as were asked for, or as the decoder has positions. */
  private longest(maxLen: number): number {
    return Math.min(maxLen, this.manifest.architecture.decoder.max_positions - 1);
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

/** What a user spells like a special symbol is no more than an unknown word; the last eos is ours. */
function asWords(dictionary: Dictionary, tokens: Int32Array): Int32Array {
  const end = tokens.at(-1) === dictionary.eosIndex ? tokens.length - 1 : tokens.length;
  for (let i = 0; i < end; i++) {
    if (tokens[i] < dictionary.nspecial) tokens[i] = dictionary.unkIndex;
  }
  return tokens;
}

const oneSentence = (tokens: Int32Array): SourceBatch => ({
  tokens,
  sentences: 1,
  width: tokens.length,
});
