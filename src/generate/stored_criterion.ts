// The criterion that a checkpoint was trained with.
import type { CriterionComponent } from "../components.ts";
import type { Chosen } from "../config/choice.ts";
import { type ComponentRecord, restoreChosen } from "../config/record.ts";
import { UserError } from "../config/user_error.ts";
import type { Criterion } from "../criterions/criterion.ts";
import type { Registries } from "../registries.ts";
import type { StoredModel } from "../train/load_model.ts";
import { storedPlugins } from "./stored_plugins.ts";

/**
 * Builds the criterion named on the command line, else the checkpoint's with its settings.
 *
 * @param named what the command line says, if it names one.
 * @throws UserError if the checkpoint's is not registered.
 */
export function buildStoredCriterion(
  stored: StoredModel,
  registries: Registries,
  named: Chosen<CriterionComponent> | undefined,
  padding: number,
): Criterion {
  const { record, sentenceAvg } = recorded(stored);
  if (!named) refuseUnknown(record.component, registries.criterions.names(), stored);
  const { component, config } =
    named ?? restoreChosen(record, registries.criterions, `${stored.path}: criterion`);
  return component.build(config, { padding, sentenceAvg });
}

function refuseUnknown(name: string, known: readonly string[], stored: StoredModel): void {
  if (known.includes(name)) return;
  const plugins = storedPlugins(stored).map((plugin) => plugin.name);
  const another = `name another one: --criterion ${known.join(" or ")}`;
  throw new UserError({
    place: stored.path,
    problem: `was trained with the criterion ${name}, which weft has not`,
    remedy:
      plugins.length === 0
        ? `${another} (a plug-in's with --plugin FILE)`
        : `it was made with plug-in ${plugins.join(", ")}: give --plugin, or ${another}`,
  });
}

function recorded({ weights, path }: StoredModel): {
  record: ComponentRecord;
  sentenceAvg: boolean;
} {
  const { record, fairseq } = weights;
  if (record) {
    const { sections } = record.config as { sections: Record<string, unknown> };
    const optimization = sections.optimization as { sentence_avg?: boolean } | undefined;
    return {
      record: sections.criterion as ComponentRecord,
      sentenceAvg: optimization?.sentence_avg === true,
    };
  }
  const { settings } = fairseq ?? {};
  if (!settings) throw new Error(`${path}: a model without settings`);
  const { flags, criterion } = settings;
  const { label_smoothing, report_accuracy, ignore_prefix_size } = flags;
  const config = criterion.startsWith("label_smoothed")
    ? { label_smoothing, report_accuracy, ignore_prefix_size }
    : {};
  const known = Object.entries(config).filter(([, value]) => value !== undefined && value !== null);
  return {
    record: { component: criterion, name: criterion, config: Object.fromEntries(known) },
    sentenceAvg: flags.sentence_avg === true,
  };
}
