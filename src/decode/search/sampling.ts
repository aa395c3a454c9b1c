import { TopK } from "../top_k.ts";
import type { Draw } from "./draw.ts";
import type { Candidates, Search, SearchStart, SearchStep, SearchStrategy } from "./strategy.ts";

/** Which tokens may be drawn; with neither, all. top-p wins over top-k, as in fairseq. */
export interface SamplingOptions {
  /** Only the k most probable. */
  readonly topK?: number;
  /** Only the fewest most probable tokens whose probabilities sum to p or more. */
  readonly topP?: number;
  readonly draw: Draw;
}

/**
 * Draws each row's next token from the model's distribution. Scores are the log-probabilities of
 * the whole distribution, whatever was cut from it. At step 0 all slots draw from the first row.
 */
export function sampling(options: SamplingOptions): SearchStrategy {
  return { name: "sampling", begin: (start) => new Sampling(start, options) };
}

/** Tokens to draw from, most probable first. */
interface Pool {
  readonly weights: Float32Array;
  /** Undefined where the pool is the vocabulary in order. */
  readonly tokens: Int32Array | undefined;
  readonly count: number;
}

class Sampling implements Search {
  readonly width: number;
  private readonly pool: (row: Float32Array) => Pool;

  constructor(
    private readonly start: SearchStart,
    private readonly options: SamplingOptions,
  ) {
    this.width = start.beam;
    const { topK = 0, topP = 0 } = options;
    if (topP > 0) this.pool = (row) => topPPool(row, topP);
    else if (topK > 0) this.pool = topKPool(Math.min(topK, start.vocabulary));
    else
      this.pool = (row) => ({ weights: row.map(Math.exp), tokens: undefined, count: row.length });
  }

  choose({ step, sentences, live, logProbs, scores }: SearchStep, out: Candidates): void {
    const { beam, vocabulary, ids } = this.start;
    let pool: Pool | undefined;
    for (let at = 0; at < sentences * beam; at++) {
      const slot = at % beam;
      if (step > 0 || slot === 0) {
        pool = this.pool(logProbs.subarray(at * vocabulary, (at + 1) * vocabulary));
      }
      if (pool === undefined) continue;
      const sentence = ids[live[Math.trunc(at / beam)]];
      const drawn = this.options.draw(pool.weights, pool.count, { sentence, step, slot });
      out.tokens[at] = pool.tokens ? pool.tokens[drawn] : drawn;
      out.beams[at] = step === 0 ? 0 : slot;
      // A row from which nothing can be drawn is over: its score becomes -Infinity.
      const weight = drawn < pool.count ? pool.weights[drawn] : 0;
      out.scores[at] = Math.fround(Math.log(weight)) + (step === 0 ? 0 : scores[at]);
    }
  }
}

function topKPool(k: number): (row: Float32Array) => Pool {
  const best = new TopK(k);
  return (row) => {
    best.reset();
    best.scan(row, 0, row.length, 0, 0);
    return { weights: best.scores.map(Math.exp), tokens: best.indices, count: best.size };
  };
}

/** Descending probabilities, cut after the first at which their sum reaches p. */
export function topPPool(row: Float32Array, p: number): Pool {
  const { weights, tokens } = sortedProbabilities(row);
  const limit = Math.fround(p);
  let sum = 0;
  let count = 0;
  while (count < weights.length - 1) {
    sum += weights[count];
    if (!(Math.fround(sum) < limit)) break;
    count++;
  }
  return { weights, tokens, count: count + 1 };
}

/**
 * Probabilities of a row in descending order with their tokens, of equals the lower token first.
 * Positive floats order like their bits, so bits (below 2^30) and token (below 2^23) share one
 * double and the engine's numeric sort does the work without a comparison function.
 */
function sortedProbabilities(row: Float32Array): { weights: Float32Array; tokens: Int32Array } {
  const weights = row.map((value) => (Number.isNaN(value) ? 0 : Math.exp(value)));
  const bits = new Uint32Array(weights.buffer);
  const stride = 2 ** Math.ceil(Math.log2(row.length + 1));
  const keys = Float64Array.from(bits, (value, token) => value * stride + (stride - 1 - token));
  keys.sort().reverse();
  const tokens = Int32Array.from(keys, (key) => stride - 1 - (key % stride));
  return { weights: Float32Array.from(tokens, (token) => weights[token]), tokens };
}
