// A translator without a model: it shouts. One word is one step, and steps come when a test says so.

import { BUNDLE_VERSION, type Manifest } from "../../../edge/runtime/manifest.ts";
import type {
  EdgeTranslator,
  HypothesisResult,
  RequestOptions,
  SentenceResult,
} from "../../../edge/runtime/translator.ts";
import { UserError } from "../../../src/config/user_error.ts";

export interface FakeOptions {
  /** Waited for before each step; by default no time at all. */
  readonly pause?: () => Promise<void>;
  readonly maxSourceTokens?: number;
  /** Put behind every output, to tell one fake from another. */
  readonly mark?: string;
}

export interface FakeTranslator extends EdgeTranslator {
  /** Sentences at work. */
  readonly running: number;
  /** Steps made in all. */
  readonly steps: number;
  readonly isClosed: boolean;
  isReady: boolean;
  /** Options of all requests, in their order. */
  readonly asked: readonly RequestOptions[];
}

export function createFake({
  pause = async () => undefined,
  maxSourceTokens = 100,
  mark = "",
}: FakeOptions = {}): FakeTranslator {
  let running = 0;
  let steps = 0;
  let isClosed = false;
  const asked: RequestOptions[] = [];

  const sentence = async (
    source: string,
    place: string,
    options: RequestOptions,
    onPartial?: (text: string) => void,
  ): Promise<SentenceResult> => {
    const { signal, nbest = 1 } = options;
    const words = source.split(/\s+/).filter((word) => word !== "");
    if (words.length + 1 > maxSourceTokens) throw tooLong(place, words.length + 1, maxSourceTokens);
    const output: string[] = [];
    running++;
    try {
      for (const word of words) {
        await pause();
        signal?.throwIfAborted();
        if (isClosed) throw new Error("the translator is closed");
        steps++;
        output.push(`${word.toUpperCase()}${mark}`);
        onPartial?.(output.join(" "));
      }
    } finally {
      running--;
    }
    const hypotheses = Array.from({ length: nbest }, (_, i) =>
      hypothesis(words, output, i, options),
    );
    return { source, hypotheses };
  };

  return {
    manifest,
    maxSourceTokens,
    engine: "a fake",
    isReady: true,
    memory: { used: 1000, grown: 65_536 },
    async translate(text, options = {}) {
      asked.push(options);
      const parts = text.split(/(?<=[.!?])(\s+)/);
      const partials = parts.map((part, i) => (i % 2 === 0 ? "" : part));
      const results = parts.map(async (part, i) => {
        if (i % 2 === 1) return undefined;
        return await sentence(part, "text", options, (partial) => {
          partials[i] = partial;
          options.onPartial?.(partials.join(""));
        });
      });
      const sentences = (await Promise.all(results)).filter((each) => each !== undefined);
      const joined = parts.map((part, i) =>
        i % 2 === 0 ? sentences[i / 2].hypotheses[0].text : part,
      );
      return { text: joined.join(""), sentences };
    },
    async generate(text, options = {}) {
      asked.push(options);
      return await sentence(text, "text", options, options.onPartial);
    },
    async score(source, target, options = {}) {
      asked.push(options);
      const { hypotheses } = await sentence(source, "source", options);
      return { ...hypotheses[0], text: target };
    },
    close() {
      isClosed = true;
    },
    get running() {
      return running;
    },
    get steps() {
      return steps;
    },
    get isClosed() {
      return isClosed;
    },
    asked,
  };
}

function hypothesis(
  source: readonly string[],
  output: readonly string[],
  rank: number,
  { alignments }: RequestOptions,
): HypothesisResult {
  const tokens = [...output, "</s>"].map((token) => ({ token, score: -0.1 - rank }));
  const weights = tokens.map((_, row) => tokens.map((_, column) => (row === column ? 1 : 0)));
  return {
    text: rank === 0 ? output.join(" ") : `${output.join(" ")} (${rank + 1})`,
    score: -0.1 - rank,
    tokens,
    ...(alignments && { alignment: { source: [...source, "</s>"], weights } }),
  };
}

function tooLong(place: string, tokens: number, most: number): UserError {
  return new UserError({
    place,
    problem: `a sentence has ${tokens} tokens, the model takes ${most}`,
    remedy: "split it",
  });
}

/** Steps that come one by one. */
export interface Stepper {
  readonly pause: () => Promise<void>;
  /** How many wait for a step. */
  readonly waiting: number;
  /** Lets all that wait now make one step. */
  step(): Promise<void>;
  /** Lets all steps pass from now on. */
  open(): Promise<void>;
}

export function createStepper(): Stepper {
  let waiting: (() => void)[] = [];
  let isOpen = false;
  const step = async (): Promise<void> => {
    const now = waiting;
    waiting = [];
    for (const go of now) go();
    await settled();
  };
  return {
    pause: async () => {
      if (isOpen) return;
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
      });
    },
    get waiting() {
      return waiting.length;
    },
    step,
    async open() {
      isOpen = true;
      await step();
    },
  };
}

/** Lets everything happen that waits for no timer, stream or network. */
export async function settled(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Waits until something holds; the runner's own limit ends what never does. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 2));
}

const side = {
  embed_dim: 8,
  ffn_embed_dim: 8,
  layers: 1,
  attention_heads: 1,
  normalize_before: false,
  positions: "sinusoidal",
  max_positions: 1024,
  layernorm_embedding: false,
  embed_scale: 1,
} as const;

const manifest: Manifest = {
  weft_bundle: BUNDLE_VERSION,
  card: {
    name: "fake",
    source_lang: "en",
    target_lang: "shout",
    licence: "MIT",
    parameters: 0,
    weft: "0.1.0",
    scores: [],
  },
  quantize: "none",
  architecture: {
    model: "transformer",
    activation_fn: "relu",
    encoder: side,
    decoder: { ...side, input_dim: 8, output_dim: 8, final_norm: false },
  },
  text: { source_dictionary: "dict.en.txt", target_dictionary: "dict.shout.txt" },
  files: {},
  shards: [],
  tensors: [],
  onnx: { encoder: "encoder.onnx", decoder: "decoder.onnx" },
  sha256: "0".repeat(64),
};
