import { z } from "zod";
import { accuracy, labelSmoothedNll } from "../../kernels/loss/index.ts";
import { criterion } from "../components.ts";
import { currentRandomness } from "../engine/randomness.ts";
import type { Criterion, CriterionContext, CriterionOutput } from "./criterion.ts";
import { perplexity } from "./cross_entropy.ts";
import { scoredRows } from "./scored_rows.ts";

/**
 * Sum over target tokens that are not padding of
 * (1 - e - e/(V-1)) (-log p(y)) + e/(V-1) sum_v -log p(v).
 * Szegedy et al. 2016, section 7; mass e/(V-1) as fairseq 0.12.
 */
export const labelSmoothedCrossEntropy = criterion({
  name: "label_smoothed_cross_entropy",
  config: z.strictObject({
    label_smoothing: z
      .number()
      .min(0)
      .lt(1)
      .default(0)
      .describe("probability taken from the right token and spread over the others"),
    report_accuracy: z
      .boolean()
      .default(false)
      .describe("log how often the right token ranks first"),
    ignore_prefix_size: z
      .int()
      .min(0)
      .default(0)
      .describe("leave out the first N target positions of every sentence"),
  }),
  build: (config, { padding, sentenceAvg }: CriterionContext): Criterion => ({
    forward(model, sample) {
      const { logits, labels } = scoredRows(model, sample, padding, config.ignore_prefix_size);
      const [loss, nll_loss] = labelSmoothedNll(logits, labels, {
        epsilon: config.label_smoothing,
        padding,
        differentiate: currentRandomness() !== undefined,
      });
      const sums: CriterionOutput = { loss, nll_loss };
      if (config.report_accuracy) {
        [sums.n_correct, sums.total] = accuracy(logits, labels, { padding });
      }
      return sums;
    },
    sampleSize: ({ ntokens, nsentences }) => (sentenceAvg ? nsentences : ntokens),
    metrics({ losses, sampleSize, ntokens }) {
      const nll = losses.nll_loss / ntokens / Math.LN2;
      const metrics: Record<string, number> = {
        loss: losses.loss / sampleSize / Math.LN2,
        nll_loss: nll,
        ppl: perplexity(nll),
      };
      if (config.report_accuracy) {
        const { n_correct, total } = losses;
        metrics.accuracy = total > 0 ? (100 * n_correct) / total : 0;
      }
      return metrics;
    },
  }),
});
