// What a checkpoint remembers of the configuration: every resolved value, which component each
// choice chose, and which plug-ins helped. Plain JSON.
import type { z } from "zod";
import { type Chosen, type Component, isChoice, type Sections, type Values } from "./choice.ts";
import type { Json } from "./literal.ts";
import { ruleBroken } from "./problem.ts";

/** A plug-in by its file name and the SHA-256 of its text, in hexadecimal. */
export interface PluginRecord {
  readonly name: string;
  readonly sha256: string;
}

/** A chosen component: `name` as it was given, so an architecture's name for a model. */
export type ComponentRecord = {
  readonly component: string;
  readonly name: string;
  readonly config: { readonly [key: string]: Json };
};

export type ConfigRecord = {
  /** Grows by one when a key changes its name or meaning; a reader upgrades step by step. */
  readonly version: 1;
  readonly command: string;
  readonly sections: {
    readonly [name: string]: ComponentRecord | { readonly [key: string]: Json };
  };
  readonly plugins: readonly PluginRecord[];
};

/** The record of resolved values. Settings that are unset are left out. */
export function toRecord<S extends Sections>(
  command: string,
  sections: S,
  values: Values<S>,
  plugins: readonly PluginRecord[],
): ConfigRecord {
  const parts: Record<string, ComponentRecord | { [key: string]: Json }> = {};
  for (const [name, section] of Object.entries(sections)) {
    parts[name] = isChoice(section)
      ? chosenRecord(values[name] as { component: { name: string }; name: string; config: object })
      : plain(values[name] as object);
  }
  return { version: 1, command, sections: parts, plugins };
}

function chosenRecord(chosen: {
  component: { name: string };
  name: string;
  config: object;
}): ComponentRecord {
  return { component: chosen.component.name, name: chosen.name, config: plain(chosen.config) };
}

/** Configurations hold only what JSON can hold: schemas here neither transform nor make objects. */
function plain(config: object): { [key: string]: Json } {
  return JSON.parse(JSON.stringify(config)) as { [key: string]: Json };
}

/**
 * What a record says was chosen, ready to be built again.
 *
 * @param overrides values that replace recorded ones (`--model-overrides`); keys that belong to
 *   other components are passed over.
 * @param place the checkpoint, for errors.
 * @throws UserError when the component is not registered (its plug-in was not given), or when its
 *   schema refuses a value.
 */
export function restoreChosen<T extends Component>(
  record: ComponentRecord,
  registry: { get(name: string): T },
  place: string,
  overrides: Readonly<Record<string, unknown>> = {},
): Chosen<T> {
  const component = registry.get(record.component);
  const own = Object.entries(overrides).filter(([key]) => key in component.config.shape);
  const result = component.config.safeParse({ ...record.config, ...Object.fromEntries(own) });
  if (result.success) {
    return { component, name: record.name, config: result.data as z.output<T["config"]> };
  }
  const [issue] = result.error.issues;
  if (issue === undefined) throw result.error;
  throw ruleBroken(`${place}: ${record.component}: ${issue.path.join(".")}`, issue);
}
