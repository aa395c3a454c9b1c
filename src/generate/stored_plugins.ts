// Checkpoints remember the plug-ins of their training. Whoever uses one needs these again.
import type { ConfigRecord, PluginRecord } from "../config/record.ts";
import { UserError } from "../config/user_error.ts";
import type { Registries } from "../registries.ts";
import type { StoredModel } from "../train/load_model.ts";

/** The components there are, and the plug-ins that some of them come from. */
export interface Available {
  readonly registries: Registries;
  readonly plugins: readonly PluginRecord[];
}

export function storedPlugins({ weights }: StoredModel): readonly PluginRecord[] {
  return (weights.record?.config as ConfigRecord | undefined)?.plugins ?? [];
}

/**
 * The component of a checkpoint.
 *
 * @throws UserError if it is not registered, naming the plug-ins of the training if there were any.
 */
export function storedComponent<T>(
  registry: { readonly kind: string; names(): string[]; get(name: string): T },
  name: string,
  stored: StoredModel,
): T {
  const [first, ...others] = storedPlugins(stored).map((plugin) => plugin.name);
  if (first === undefined || registry.names().includes(name)) return registry.get(name);
  throw new UserError({
    place: stored.path,
    problem: `was made with plug-in ${[first, ...others].join(", ")}; its ${registry.kind} ${name} is not registered`,
    remedy: `give --plugin ${first}, with the folder it lies in`,
  });
}

/** A line for each plug-in that is another text now than when the model was trained. */
export function changedPlugins(
  models: readonly StoredModel[],
  given: readonly PluginRecord[],
): string[] {
  return models.flatMap((stored) =>
    storedPlugins(stored).flatMap(({ name, sha256 }) => {
      const now = given.find((plugin) => plugin.name === name);
      if (now === undefined || now.sha256 === sha256) return [];
      return `${stored.path}: plug-in ${name} has changed since this was trained`;
    }),
  );
}
