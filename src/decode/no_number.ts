import { UserError } from "../config/user_error.ts";

/** Sentences named in a message; of more, the rest is counted. */
const NAMED = 10;

/**
 * Whether any of these log-probabilities is NaN, or above all bounds: what damaged weights compute.
 * -Infinity is a probability of 0.
 */
export function isDamaged(logProbs: Float32Array, from = 0, to = logProbs.length): boolean {
  for (let i = from; i < to; i++) if (!(logProbs[i] < Number.POSITIVE_INFINITY)) return true;
  return false;
}

/** The error for sentences whose scores are damaged. Such outputs must not pass for translations. */
export function noNumber(model: string, sentences: readonly number[]): UserError {
  const list = sentences.slice(0, NAMED).join(", ");
  const more = sentences.length > NAMED ? ` and ${sentences.length - NAMED} more` : "";
  return new UserError({
    place: model,
    problem: `computes no numbers (NaN) for sentence${sentences.length > 1 ? "s" : ""} ${list}${more}`,
    remedy: "its weights are damaged, or its training diverged: use an earlier checkpoint",
  });
}
