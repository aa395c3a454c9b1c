// What a loaded bundle can do with text. The server, the worker, the page and `weft/edge` all call this.
import type { Manifest } from "./manifest.ts";

/** The search of one request. Names and meanings are those of `weft generate`. */
export interface SearchOptions {
  /** Hypotheses kept per sentence; default 5. */
  readonly beam?: number;
  /** Hypotheses returned per sentence, at most `beam`; default 1. */
  readonly nbest?: number;
  /** score / length^lenpen; default 1. */
  readonly lenpen?: number;
  /** Most tokens of a sentence's output, end of sentence not counted; default 200. */
  readonly max_len?: number;
  /** Fewest tokens; default 1. */
  readonly min_len?: number;
  /** No output holds the same N tokens in a row twice; 0 (the default) and 1 forbid nothing. */
  readonly no_repeat_ngram_size?: number;
  /** Divides the logits; default 1. */
  readonly temperature?: number;
  /** Draw at random instead of searching; 0, the default for both, means "among all". */
  readonly sampling?: { readonly topk: number; readonly topp: number; readonly seed: number };
}

export interface RequestOptions extends SearchOptions {
  /** Text that the output begins with (of the first sentence). */
  readonly prefix?: string;
  /** Return where each output token looked. */
  readonly alignments?: boolean;
  /** Ends the request before its next step; the promise is then rejected with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called after each step with the whole text as far as it is known: finished sentences and the best beginnings. */
  readonly onPartial?: (text: string) => void;
}

/** One piece of output with its natural log-probability. */
export interface TokenScore {
  readonly token: string;
  readonly score: number;
}

export interface HypothesisResult {
  readonly text: string;
  /** As in fairseq's H- lines but natural: mean log-probability by length^lenpen. */
  readonly score: number;
  /** End of sentence included. */
  readonly tokens: readonly TokenScore[];
  /** Source pieces, and for each output token a row of attention over them: only if asked for. */
  readonly alignment?: {
    readonly source: readonly string[];
    readonly weights: readonly (readonly number[])[];
  };
}

export interface SentenceResult {
  readonly source: string;
  /** Best first, `nbest` of them. */
  readonly hypotheses: readonly HypothesisResult[];
}

export interface TextResult {
  /** The best hypotheses joined with the white space between the source's sentences. */
  readonly text: string;
  readonly sentences: readonly SentenceResult[];
}

/** A model that is loaded. Requests that run together share the steps of the decoder, where our own kernels compute. */
export interface EdgeTranslator {
  readonly manifest: Manifest;
  /** Longest source sentence in tokens, end of sentence included. */
  readonly maxSourceTokens: number;
  /** What computes, for people. */
  readonly engine: string;
  /** False once what computes has broken down, until it has a successor: requests fail meanwhile. */
  readonly isReady: boolean;
  /** Bytes of WebAssembly memory in use, and grown to; of the GPU's, where it computes. */
  readonly memory: { readonly used: number; readonly grown: number };

  /**
   * Splits a text into sentences, translates each, and joins them again.
   *
   * @throws UserError if a sentence is too long or an option will not do.
   */
  translate(text: string, options?: RequestOptions): Promise<TextResult>;

  /** One sentence, not split, its n-best list. @throws UserError. */
  generate(text: string, options?: RequestOptions): Promise<SentenceResult>;

  /** The log-probability of a given output: `score` is the mean over its tokens. @throws UserError. */
  score(
    source: string,
    target: string,
    options?: Pick<RequestOptions, "alignments" | "signal">,
  ): Promise<HypothesisResult>;

  /** Frees the model. Requests that still run are rejected. */
  close(): void;
}
