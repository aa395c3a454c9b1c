import { parseArguments } from "./arguments.ts";
import type { Sections, Values } from "./choice.ts";
import { type Field, hasPlace } from "./field.ts";
import { interpretValue } from "./interpret.ts";
import type { Origin } from "./origin.ts";
import { placeOf } from "./origin.ts";
import type { Plan, PlannedSection, Sources } from "./plan.ts";
import { fileValues, planSections } from "./plan.ts";
import { refusal, ruleBroken } from "./problem.ts";

/** A resolved value and where it came from. */
export interface Setting {
  readonly section: string;
  readonly key: string;
  readonly value: unknown;
  readonly origin: Origin;
}

export interface Resolved<S extends Sections = Sections> {
  readonly values: Values<S>;
  readonly settings: readonly Setting[];
}

/** A value that somebody gave, before the schema has seen it. */
interface Candidate {
  readonly value: unknown;
  readonly origin: Origin;
}

/**
 * The configuration of one invocation. A value is taken from the command line, else from the
 * configuration file, else from the named architecture, else from the schema's default; a key that
 * several sections share has one value in all of them.
 *
 * @throws UserError on an unknown flag or key, and on any value that a schema refuses.
 */
export function resolve<S extends Sections>(
  command: string,
  sections: S,
  sources: Sources,
): Resolved<S> {
  return resolvePlan<S>(command, planSections(sections, sources), sources);
}

/** The second pass of `resolve`, for a plan already made. */
export function resolvePlan<S extends Sections>(
  command: string,
  plan: Plan,
  sources: Sources,
): Resolved<S> {
  const candidates = merge(plan, sources);
  const values: Record<string, unknown> = {};
  const settings: Setting[] = [];
  for (const section of plan.sections) {
    const config = parseSection(command, section, candidates);
    const { selection } = section;
    for (const field of plan.choices.filter((choice) => choice.section === section.name)) {
      const { origin } = candidates.get(field.key) ?? byDefault(field);
      settings.push({ section: section.name, key: field.key, value: selection?.name, origin });
    }
    values[section.name] =
      selection === undefined
        ? config
        : { component: selection.component, name: selection.name, config };
    for (const field of section.fields) {
      const { origin } = candidates.get(field.key) ?? byDefault(field);
      settings.push({ section: section.name, key: field.key, value: config[field.key], origin });
    }
  }
  return { values: values as Values<S>, settings };
}

function byDefault(field: Field): Candidate {
  const flag = hasPlace(field) ? field.key : field.flag;
  return { value: undefined, origin: { from: "default", flag } };
}

/** All given values by key, the weakest first so that the stronger ones replace them. */
function merge(plan: Plan, { args, file }: Sources): Map<string, Candidate> {
  const merged = new Map<string, Candidate>();
  for (const { selection } of plan.sections) {
    for (const [key, given] of Object.entries(selection?.preset ?? {})) {
      const field = plan.table.key(key);
      const value = field === undefined ? given : interpretValue(field.value, given);
      const origin = { from: "architecture", name: selection?.name ?? "", key } as const;
      merged.set(key, { value, origin });
    }
  }
  if (file !== undefined) {
    for (const [key, value] of fileValues(file, plan.table)) {
      merged.set(key, { value, origin: { from: "file", path: file.path, key } });
    }
  }
  for (const [key, { value, flag }] of parseArguments(args, plan.table)) {
    merged.set(key, { value, origin: { from: "flag", flag } });
  }
  return merged;
}

function parseSection(
  command: string,
  { schema, fields }: PlannedSection,
  candidates: ReadonlyMap<string, Candidate>,
): Record<string, unknown> {
  const input: Record<string, unknown> = {};
  for (const { key } of fields) {
    const candidate = candidates.get(key);
    if (candidate !== undefined) input[key] = candidate.value;
  }
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  if (issue === undefined) throw result.error;
  const field = fields.find(({ key }) => key === issue.path[0]);
  if (field === undefined) throw ruleBroken(`weft ${command}`, issue);
  const { value, origin } = candidates.get(field.key) ?? byDefault(field);
  throw refusal({ field, place: placeOf(origin), value, issue });
}

/** The values of a section that somebody gave, by flag, file or architecture. */
export function givenValues(
  settings: readonly Setting[],
  section: string,
): Record<string, unknown> {
  const given = settings.filter(
    (setting) => setting.section === section && setting.origin.from !== "default",
  );
  return Object.fromEntries(given.map(({ key, value }) => [key, value]));
}
