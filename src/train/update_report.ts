// What an update comes to, which is known some time after it was begun.
import type { CriterionSums } from "../criterions/criterion.ts";

/** What an update did. */
export interface UpdateReport {
  /** Number of the update, from 1. */
  readonly update: number;
  readonly lr: number;
  /** Norm of the normalised gradient, before clipping. */
  readonly gradientNorm: number;
  readonly clipped: boolean;
  /** Under --fp16, for the next update. */
  readonly lossScale?: number;
  /** Gradients overflowed: nothing but the loss scale has changed, and `update` was not made. */
  readonly overflow?: boolean;
  readonly sums: CriterionSums;
  /** Rate of the update after this one: the one that fairseq logs. */
  readonly nextLr: number;
}

/** An update that is under way: what it came to is not known yet. */
export interface StartedUpdate {
  /**
   * Waits for it. To be called once, after that of the update before: unless that one's gradients
   * overflowed, as this one is void then and is to be begun anew.
   *
   * @throws UserError if a loss or the gradient is not finite; the state is then not fit to be saved.
   */
  report(): Promise<UpdateReport>;
}
