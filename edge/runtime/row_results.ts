// What one batch wants of the logits of its rows: whole distributions, or the best candidates.
import type { CandidateRequest, RowCandidates, StepRows } from "../../src/decode/step_decoder.ts";
import { writeBias } from "../../src/decode/token_rules.ts";
import type { QuantisedModel, Selection } from "./quantised_model.ts";
import { Scratch } from "./scratch.ts";

/** Rows whose numbers are known when all logits have been seen. */
export interface Wanted<Result> extends Selection {
  result(): Result;
}

/** Natural log-probabilities (rows, V). */
export function wholeRows(
  { kernels, vocabulary }: QuantisedModel,
  rows: number,
  temperature: number,
): Wanted<StepRows> {
  const logProbs = new Float32Array(rows * vocabulary);
  return {
    rows,
    take(logits, from, count) {
      kernels.run.log_softmax(logits, count, vocabulary, 1 / temperature);
      logProbs.set(kernels.floatsAt(logits, count * vocabulary), from * vocabulary);
    },
    result: () => ({ logProbs }),
  };
}

/** Chooses candidates where the logits lie. Only for rules that are the same for all rows. */
export class CandidateSelector {
  private readonly memory: Scratch;

  constructor(private readonly model: QuantisedModel) {
    this.memory = new Scratch(model.kernels);
  }

  /** @param repeat how many rows of the request each row stands for, one behind the other. */
  select(
    rows: number,
    repeat: number,
    temperature: number,
    request: CandidateRequest,
  ): Wanted<RowCandidates> {
    const { kernels, vocabulary } = this.model;
    const { count, scores: before, rules } = request;
    const k = Math.min(count, vocabulary);
    const scores = new Float32Array(rows * repeat * count).fill(Number.NEGATIVE_INFINITY);
    const tokens = new Int32Array(rows * repeat * count);
    return {
      rows,
      take: (logits, from, some) => {
        const bias = this.memory.reserve(4 * (vocabulary + some * (2 * k + 1)));
        writeBias(kernels.floatsAt(bias, vocabulary), rules);
        const values = bias + 4 * vocabulary;
        const indices = values + 4 * some * k;
        const lse = indices + 4 * some * k;
        const scale = 1 / temperature;
        kernels.run.search_log_softmax_top_k(
          ...([logits, bias, values, indices, lse, vocabulary, k, scale, 0, some] as const),
        );
        const best = kernels.floatsAt(values, some * k);
        const which = kernels.integersAt(indices, some * k);
        for (let i = 0; i < some * repeat; i++) {
          const row = from * repeat + i;
          const at = Math.trunc(i / repeat) * k;
          for (let c = 0; c < k; c++) {
            scores[row * count + c] = best[at + c] + before[row]; // in float32, as the search adds
            tokens[row * count + c] = which[at + c];
          }
        }
      },
      result: () => ({ scores, tokens }),
    };
  }

  release(): void {
    this.memory.release();
  }
}
