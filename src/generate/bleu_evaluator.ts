// --eval-bleu: BLEU of the validation set's translations, as fairseq computes it while it trains.

import { didYouMean } from "../config/nearest.ts";
import { generation } from "../config/schemas/generation.ts";
import type { TranslationConfig } from "../config/schemas/translation.ts";
import { UserError } from "../config/user_error.ts";
import type { Device } from "../device/device.ts";
import type { EncoderDecoderModel } from "../models/model.ts";
import { SacreBleu } from "../score/sacre_bleu.ts";
import type { Task } from "../tasks/task.ts";
import type { ExtraMetrics } from "../train/validator.ts";
import type { SearchFlags } from "./search_options.ts";
import { Translator } from "./translator.ts";

export interface BleuEvaluatorParts {
  readonly device: Device;
  readonly model: EncoderDecoderModel;
  readonly task: Task;
  readonly config: EvalBleuConfig;
  readonly seed: number;
  /** Hears the samples of --eval-bleu-print-samples. */
  readonly log: (line: string) => void;
  /** Called between steps of the search. */
  readonly breathe?: () => Promise<void>;
}

export type EvalBleuConfig = Pick<
  TranslationConfig,
  | "eval_bleu_args"
  | "eval_bleu_detok"
  | "eval_tokenized_bleu"
  | "eval_bleu_remove_bpe"
  | "eval_bleu_print_samples"
>;

/** Unknown words are spelled so that no hypothesis matches a reference's and 13a leaves them whole. */
const UNKNOWN_IN_REFERENCE = "UNKNOWNTOKENINREF";
const UNKNOWN_IN_HYPOTHESIS = "UNKNOWNTOKENINHYP";

/**
 * A validation metric: sacreBLEU's corpus BLEU of the best hypotheses, two decimals.
 *
 * @throws UserError if --eval-bleu-args or --eval-bleu-detok will not do.
 */
export function bleuEvaluator(parts: BleuEvaluatorParts): ExtraMetrics {
  const { device, model, task, config, seed, log, breathe } = parts;
  refuseMoses(config.eval_bleu_detok);
  const search = searchFlags(config.eval_bleu_args);
  const { targetDictionary } = task;
  const spell = (tokens: Iterable<number>, unkString: string): string =>
    targetDictionary.string(tokens, { postProcess: config.eval_bleu_remove_bpe, unkString });

  const measure: ExtraMetrics["measure"] = async (dataset, batches) => {
    // Made anew each time, so that training has the memory back.
    const translator = new Translator({
      device,
      models: [model],
      targetDictionary,
      config: search,
      seed,
      breathe,
    });
    const bleu = new SacreBleu({ tokenize: config.eval_tokenized_bleu ? "none" : "13a" });
    try {
      for (const [number, ids] of batches.entries()) {
        const batch = dataset.batch(ids);
        if (!batch) continue;
        const found = await translator.translate(batch);
        for (const [row, [best]] of found.entries()) {
          const hypothesis = spell(best.tokens, UNKNOWN_IN_HYPOTHESIS);
          const target = dataset.target?.get(batch.ids[row]) ?? [];
          const reference = spell(target, UNKNOWN_IN_REFERENCE);
          bleu.add(hypothesis, [reference]);
          if (config.eval_bleu_print_samples && number === 0 && row === 0) {
            log(`example hypothesis: ${hypothesis}`);
            log(`example reference: ${reference}`);
          }
        }
      }
    } finally {
      translator.close();
    }
    return { bleu: Math.round(bleu.score().score * 100) / 100 };
  };
  return { names: ["bleu"], measure };
}

function refuseMoses(detokenizer: EvalBleuConfig["eval_bleu_detok"]): void {
  if (detokenizer === "space") return;
  throw new UserError({
    place: `--eval-bleu-detok ${detokenizer}`,
    problem: "weft has no Moses detokenizer",
    remedy: "leave the flag out, or score words as they are with --eval-tokenized-bleu",
  });
}

/** @throws UserError for what the search has not, or refuses. */
function searchFlags(given: Readonly<Record<string, unknown>>): SearchFlags {
  const parsed = generation.safeParse(given);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const unknown = issue.code === "unrecognized_keys" ? issue.keys[0] : undefined;
  throw new UserError({
    place: "--eval-bleu-args",
    problem: unknown ? `there is no ${unknown}` : `${issue.path.join(".")}: ${issue.message}`,
    remedy: unknown
      ? didYouMean(
          unknown,
          Object.keys(generation.shape),
          "weft generate --help lists what there is",
        )
      : "weft generate --help tells what each takes",
  });
}
