import { z } from "zod";
import { labelSmoothedNll } from "../../kernels/loss/index.ts";
import { criterion } from "../components.ts";
import { currentRandomness } from "../engine/randomness.ts";
import type { Criterion, CriterionContext } from "./criterion.ts";
import { scoredRows } from "./scored_rows.ts";

/** 2^bits, as fairseq prints perplexity: two decimals. */
export const perplexity = (bits: number): number => Math.round(2 ** bits * 100) / 100;

/** Sum over target tokens that are not padding of -log p(token). */
export const crossEntropy = criterion({
  name: "cross_entropy",
  config: z.strictObject({}),
  build: (_, { padding, sentenceAvg }: CriterionContext): Criterion => ({
    forward(model, sample) {
      const { logits, labels } = scoredRows(model, sample, padding); // (N, V), (N)
      const [loss] = labelSmoothedNll(logits, labels, {
        epsilon: 0,
        padding,
        differentiate: currentRandomness() !== undefined,
      });
      return { loss };
    },
    sampleSize: ({ ntokens, nsentences }) => (sentenceAvg ? nsentences : ntokens),
    metrics({ losses, sampleSize, ntokens }) {
      const loss = losses.loss / sampleSize / Math.LN2;
      // fairseq logs nll_loss only where it differs from loss.
      const nll = losses.loss / ntokens / Math.LN2;
      const metrics: Record<string, number> = { loss, ppl: perplexity(nll) };
      if (sampleSize !== ntokens) metrics.nll_loss = nll;
      return metrics;
    },
  }),
});
