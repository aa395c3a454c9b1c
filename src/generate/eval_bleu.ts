import { flagOf } from "../config/field.ts";
import { translation } from "../config/schemas/translation.ts";
import { UserError } from "../config/user_error.ts";
import type { MetricsBuilder } from "../train/train.ts";
import type { ExtraMetrics } from "../train/validator.ts";
import { bleuEvaluator } from "./bleu_evaluator.ts";
import type { LoadedModels } from "./with_models.ts";

/** The flags of --eval-bleu, as the translation task has them. */
const flags = translation.pick({
  eval_bleu: true,
  eval_bleu_args: true,
  eval_bleu_detok: true,
  eval_tokenized_bleu: true,
  eval_bleu_remove_bpe: true,
  eval_bleu_print_samples: true,
});

/** Adds `bleu` to every validation where the task was told --eval-bleu. */
export const evalBleu: MetricsBuilder = ({ device, model, task, config, log, breathe }) => {
  const settings = flags.parse(known(config.task.config)); // another task may have none of them
  if (!settings.eval_bleu) return undefined;
  const { seed } = config.common;
  return bleuEvaluator({ device, model, task, config: settings, seed, log, breathe });
};

/**
 * The same for `weft validate --eval-bleu`. How to search and score is the checkpoint's, where the
 * command line does not say otherwise.
 *
 * @param given settings of the task that somebody gave.
 * @throws UserError for flags of a score that was not asked for.
 */
export function evalBleuOf(
  { device, models: [model], stored: [stored], task }: LoadedModels,
  given: Readonly<Record<string, unknown>>,
  seed: number,
  log: (line: string) => void,
): ExtraMetrics | undefined {
  const asked = Object.keys(known(given));
  if (given.eval_bleu === true) {
    const settings = flags.parse({ ...known(stored.architecture.task), ...known(given) });
    return bleuEvaluator({ device, model, task, config: settings, seed, log });
  }
  const idle = asked.find((key) => key !== "eval_bleu");
  if (idle === undefined) return undefined;
  throw new UserError({
    place: flagOf(idle),
    problem: "says how to score translations, but none are made",
    remedy: "add --eval-bleu",
  });
}

function known(settings: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(settings).filter(([key]) => key in flags.shape));
}
