import { UserError } from "../config/user_error.ts";
import type { DecoderState, StepDecoder, StepInput, StepRows } from "./step_decoder.ts";

/**
 * Several models as one: the mean of their probabilities, log(sum_i p_i / N), after each one's own
 * temperature; the mean of their attentions over all N, models without one counting as zero.
 *
 * @throws UserError if the vocabularies differ in size.
 */
export function ensemble(decoders: readonly StepDecoder[]): StepDecoder {
  const [first, ...others] = decoders;
  if (others.length === 0) return first;
  const sizes = decoders.map((decoder) => decoder.vocabulary);
  if (sizes.some((size) => size !== first.vocabulary)) {
    throw new UserError({
      place: "--path",
      problem: `the models' target dictionaries have ${sizes.join(", ")} symbols`,
      remedy: "combine models that were trained with the same dictionary",
    });
  }
  return {
    vocabulary: first.vocabulary,
    maxPositions: Math.min(...decoders.map((decoder) => decoder.maxPositions)),
    async start(batch, options) {
      const states: DecoderState[] = [];
      for (const decoder of decoders) states.push(await decoder.start(batch, options));
      return new EnsembleState(states);
    },
  };
}

class EnsembleState implements DecoderState {
  constructor(private readonly states: readonly DecoderState[]) {}

  async step(input: StepInput): Promise<StepRows> {
    const results: StepRows[] = [];
    for (const state of this.states) results.push(await state.step(input));
    const logProbs = results[0].logProbs;
    logMeanExp(
      results.map((result) => result.logProbs),
      logProbs,
    );
    return { logProbs, attention: meanAttention(results) };
  }

  close(): void {
    for (const state of this.states) state.close?.();
  }
}

/** out[i] = log(mean over n of exp(inputs[n][i])), rounded as fairseq rounds; `out` may be an input. */
export function logMeanExp(inputs: readonly Float32Array[], out: Float32Array): void {
  const logCount = Math.fround(Math.log(inputs.length));
  for (let i = 0; i < out.length; i++) {
    let max = Number.NEGATIVE_INFINITY;
    for (const input of inputs) max = Math.max(max, input[i]);
    let sum = 0;
    if (max > Number.NEGATIVE_INFINITY) {
      for (const input of inputs) sum += Math.exp(input[i] - max);
      out[i] = Math.fround(Math.log(sum) + max) - logCount;
    } else {
      out[i] = max; // all impossible, or one not a number
    }
  }
}

function meanAttention(results: readonly StepRows[]): Float32Array | undefined {
  const sum = results.find((result) => result.attention)?.attention?.slice();
  if (sum === undefined) return undefined;
  sum.fill(0);
  for (const { attention } of results) {
    if (attention) for (let i = 0; i < sum.length; i++) sum[i] += attention[i];
  }
  for (let i = 0; i < sum.length; i++) sum[i] /= results.length;
  return sum;
}
