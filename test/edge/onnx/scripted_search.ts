// A search without a will of its own: seeded tokens and reorderings, the same for every engine.
import type {
  CandidateRequest,
  RowCandidates,
  SourceBatch,
  StepDecoder,
  StepInput,
  StepRows,
} from "../../../src/decode/step_decoder.ts";
import { seededRandom } from "../../support/random.ts";
import { END, PADDING, SYMBOLS } from "./random_bundle.ts";

/** Sentences of random words, padded on the left. */
export function randomBatch(seed: number, lengths: readonly number[]): SourceBatch {
  const random = seededRandom(seed);
  const width = Math.max(...lengths);
  const tokens = new Int32Array(lengths.length * width).fill(PADDING);
  for (const [i, length] of lengths.entries()) {
    const row = tokens.subarray((i + 1) * width - length, (i + 1) * width);
    for (let s = 0; s < length - 1; s++) row[s] = random.int(4, SYMBOLS - 1);
    row[length - 1] = END;
  }
  return { tokens, sentences: lengths.length, width };
}

export interface Script {
  readonly batch: SourceBatch;
  readonly beam: number;
  readonly steps: number;
  readonly temperature?: number;
  /** Steps before which the first sentence that lives leaves. */
  readonly leaving?: readonly number[];
  /** Asks for candidates in place of whole rows. */
  readonly request?: (input: StepInput) => CandidateRequest;
}

/** What a decoder answers at each step. */
export async function play(
  decoder: StepDecoder,
  { batch, beam, steps, temperature = 1, leaving = [], request }: Script,
): Promise<(Partial<StepRows> & Partial<RowCandidates>)[]> {
  const random = seededRandom(5);
  const state = await decoder.start(batch, { beam, temperature, attention: true });
  const answers = [];
  let sentences = batch.sentences;
  for (let step = 0; step < steps; step++) {
    const first = leaving.includes(step) ? 1 : 0;
    const keptSentences =
      first === 0 ? undefined : Int32Array.from({ length: sentences - 1 }, (_, i) => i + 1);
    sentences -= first;
    const rows = sentences * beam;
    const tokens = Int32Array.from({ length: rows }, () => random.int(4, SYMBOLS - 1));
    const reorder = Int32Array.from(
      { length: rows },
      (_, row) => (Math.trunc(row / beam) + first) * beam + random.int(0, beam - 1),
    );
    const input: StepInput = {
      step,
      rows,
      tokens: step === 0 ? tokens.fill(END) : tokens,
      reorder: step === 0 ? undefined : reorder,
      keptSentences,
    };
    const answer =
      request && state.candidates ? state.candidates(input, request(input)) : state.step(input);
    answers.push(await answer);
  }
  state.close?.();
  return answers;
}

/** The largest difference of two lists of numbers; NaN if they are not as long. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.NaN;
  let most = 0;
  for (let i = 0; i < a.length; i++)
    if (a[i] !== b[i]) most = Math.max(most, Math.abs(a[i] - b[i]));
  return most;
}

export function meanDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.NaN;
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i] - b[i]);
  return sum / a.length;
}
