// Averages over a stretch of training: what has been summed since it began.
import type { CriterionSums } from "../criterions/criterion.ts";

/** A stretch as plain JSON, for a checkpoint. */
export interface StretchState {
  ntokens: number;
  nsentences: number;
  sample_size: number;
  losses: Record<string, number>;
  updates: number;
  gradient_norms: number;
  clipped: number;
  /** Seconds spent in updates, and since the stretch began. */
  update_seconds: number;
  seconds: number;
}

const EMPTY: StretchState = {
  ntokens: 0,
  nsentences: 0,
  sample_size: 0,
  losses: {},
  updates: 0,
  gradient_norms: 0,
  clipped: 0,
  update_seconds: 0,
  seconds: 0,
};

/** What one update adds. */
export interface UpdateMeasures {
  readonly sums: CriterionSums;
  /** Norm of the normalised gradient before clipping. */
  readonly gradientNorm: number;
  readonly clipped: boolean;
  /** Seconds that the update took. */
  readonly seconds: number;
}

/**
 * Sums over updates. Losses are kept as sums over tokens, so that the mean over a stretch is the
 * mean over its tokens, not over its updates. Adding in the same order gives the same bits, also
 * across a checkpoint.
 */
export class Stretch {
  private sums: StretchState = { ...EMPTY, losses: {} };
  private begun: number | undefined;

  /** @param clock seconds, from any origin. */
  constructor(private readonly clock: () => number) {}

  add({ sums, gradientNorm, clipped, seconds }: UpdateMeasures): void {
    this.begun ??= this.clock() - seconds;
    const total = this.sums;
    total.ntokens += sums.ntokens;
    total.nsentences += sums.nsentences;
    total.sample_size += sums.sampleSize;
    for (const [name, value] of Object.entries(sums.losses)) {
      total.losses[name] = (total.losses[name] ?? 0) + value;
    }
    total.updates++;
    total.gradient_norms += gradientNorm;
    total.clipped += clipped ? 1 : 0;
    total.update_seconds += seconds;
  }

  /** The totals so far. */
  totals(): StretchState {
    return { ...this.sums, losses: { ...this.sums.losses }, seconds: this.seconds() };
  }

  /** Continues a stretch that a checkpoint interrupted; the time between does not count. */
  restore(state: StretchState): void {
    this.sums = { ...state, losses: { ...state.losses } };
    this.begun = state.updates > 0 ? this.clock() : undefined;
  }

  /** Begins anew, now. */
  restart(): void {
    this.sums = { ...EMPTY, losses: {} };
    this.begun = this.clock();
  }

  private seconds(): number {
    return this.sums.seconds + (this.begun === undefined ? 0 : this.clock() - this.begun);
  }
}

/** The criterion's sums out of a stretch's totals. */
export function criterionSums(totals: StretchState): CriterionSums {
  const { ntokens, nsentences, sample_size: sampleSize, losses } = totals;
  return { ntokens, nsentences, sampleSize, losses };
}
