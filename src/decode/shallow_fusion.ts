import type { DecoderState, StepDecoder, StepInput, StepRows } from "./step_decoder.ts";

/**
 * Adds `weight` times a language model's log-probabilities to a translation model's. The language model
 * sees the output only, and the temperature does not touch it.
 */
export function shallowFusion(
  decoder: StepDecoder,
  languageModel: StepDecoder,
  weight: number,
): StepDecoder {
  return {
    vocabulary: decoder.vocabulary,
    maxPositions: Math.min(decoder.maxPositions, languageModel.maxPositions),
    async start(batch, options) {
      const plain = { ...options, temperature: 1, attention: false };
      const translation = await decoder.start(batch, options);
      return new FusedState(translation, await languageModel.start(batch, plain), weight);
    },
  };
}

class FusedState implements DecoderState {
  constructor(
    private readonly translation: DecoderState,
    private readonly language: DecoderState,
    private readonly weight: number,
  ) {}

  async step(input: StepInput): Promise<StepRows> {
    const rows = await this.translation.step(input);
    const { logProbs } = await this.language.step(input);
    for (let i = 0; i < logProbs.length; i++) {
      rows.logProbs[i] += Math.fround(logProbs[i] * this.weight);
    }
    return rows;
  }

  close(): void {
    this.translation.close?.();
    this.language.close?.();
  }
}
