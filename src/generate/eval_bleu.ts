import { translation } from "../config/schemas/translation.ts";
import type { MetricsBuilder } from "../train/train.ts";
import { bleuEvaluator } from "./bleu_evaluator.ts";

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
  const known = Object.entries(config.task.config).filter(([key]) => key in flags.shape);
  const settings = flags.parse(Object.fromEntries(known)); // another task may have none of them
  if (!settings.eval_bleu) return undefined;
  const { seed } = config.common;
  return bleuEvaluator({ device, model, task, config: settings, seed, log, breathe });
};
