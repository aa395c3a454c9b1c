import type { EmaConfig } from "../config/schemas/ema.ts";

type EmaPolicy = Pick<EmaConfig, "ema_decay" | "ema_start_update" | "ema_update_freq">;

/**
 * How the moving average moves after an update: average = decay * average + (1 - decay) * weights.
 * Before `ema_start_update` it is a copy of the weights. Only every `ema_update_freq`-th update
 * moves it, always by the same decay.
 *
 * A function of the update's number alone, so that a resumed run averages the same updates
 * (fairseq counts them from the restart).
 *
 * @param update number of the update just made, from 1.
 * @returns the decay, or undefined if this update does not move the average.
 */
export function emaDecay(config: EmaPolicy, update: number): number | undefined {
  if (update % config.ema_update_freq !== 0) return undefined;
  return update < config.ema_start_update ? 0 : config.ema_decay;
}
