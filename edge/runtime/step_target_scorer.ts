// Scores of given outputs by the steps that also search: one row per sentence, its next token given.
import type { ScoringBatch, TargetScorer, TargetScores } from "../../src/decode/sequence_scorer.ts";
import type { StepDecoder } from "../../src/decode/step_decoder.ts";

export class StepTargetScorer implements TargetScorer {
  /** @param eos what output begins after. */
  constructor(
    private readonly decoder: StepDecoder,
    private readonly eos: number,
    private readonly options: { readonly attention: boolean; readonly signal?: AbortSignal },
  ) {}

  async score({ source, target, targetWidth: T }: ScoringBatch): Promise<TargetScores> {
    const { attention: wanted, signal } = this.options;
    const { vocabulary } = this.decoder;
    const { sentences: B, width: S } = source;
    const start = { beam: 1, temperature: 1, attention: wanted };
    const state = await this.decoder.start(source, start);
    const logProbs = new Float32Array(B * T);
    const attention = wanted ? new Float32Array(B * T * S) : undefined;
    const rows = Int32Array.from({ length: B }, (_, row) => row);
    try {
      for (let step = 0; step < T; step++) {
        signal?.throwIfAborted();
        const tokens = rows.map((row) => (step === 0 ? this.eos : target[row * T + step - 1]));
        const reorder = step === 0 ? undefined : rows;
        const said = await state.step({ step, rows: B, tokens, reorder, keptSentences: undefined });
        for (let row = 0; row < B; row++) {
          const at = row * T + step;
          logProbs[at] = said.logProbs[row * vocabulary + target[at]];
          const looked = said.attention?.subarray(row * S, (row + 1) * S);
          if (looked) attention?.set(looked, at * S);
        }
      }
    } finally {
      state.close?.();
    }
    return { logProbs, attention };
  }
}
