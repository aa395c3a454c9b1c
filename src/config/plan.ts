import type { z } from "zod";
import type { Given } from "./arguments.ts";
import { parseArguments } from "./arguments.ts";
import type { Choice, Component, ComponentSources, Sections } from "./choice.ts";
import { isChoice } from "./choice.ts";
import type { ConfigFile } from "./config_file.ts";
import type { Field } from "./field.ts";
import { fieldsOf, flagOf } from "./field.ts";
import { FlagTable } from "./flag_table.ts";
import { interpretValue } from "./interpret.ts";
import { didYouMean } from "./nearest.ts";
import { UserError } from "./user_error.ts";

/** A component chosen for a section, before its configuration is read. */
export interface Selection {
  readonly choice: Choice;
  readonly component: Component;
  readonly name: string;
  readonly preset: Readonly<Record<string, unknown>>;
}

/** A heading of --help, and what is parsed together. */
export interface PlannedSection {
  readonly name: string;
  readonly schema: z.ZodObject;
  readonly fields: readonly Field[];
  readonly selection?: Selection;
}

/** All fields of one invocation, now that its components are known. */
export interface Plan {
  readonly sections: readonly PlannedSection[];
  readonly choices: readonly Field[];
  readonly table: FlagTable;
}

export interface Sources {
  readonly args: readonly string[];
  readonly file?: ConfigFile;
  readonly components: ComponentSources;
}

/**
 * The first pass over the command line: finds what the choices choose, by flag, else by file, else
 * by default, and so which fields there are. @throws UserError on a name that is not registered.
 */
export function planSections(sections: Sections, { args, file, components }: Sources): Plan {
  const entries = Object.entries(sections);
  const choices = entries.flatMap(([name, section]) =>
    isChoice(section) ? [choiceField(name, section, components)] : [],
  );
  const fixed = entries.flatMap(([name, section]) =>
    isChoice(section) ? [] : fieldsOf(name, section),
  );
  const given = parseArguments(args, new FlagTable([...choices, ...fixed]), { tolerant: true });
  const planned = entries.map(([name, section]): PlannedSection => {
    if (!isChoice(section)) {
      return { name, schema: section, fields: fixed.filter((field) => field.section === name) };
    }
    const selection = select(section, given, file, components);
    const schema = selection.component.config;
    return { name, schema, fields: fieldsOfChosen(name, section, schema), selection };
  });
  const fields = planned.flatMap((section) => section.fields);
  const ownerOf = (flag: string) => ownerAmong(sections, components, flag);
  return { sections: planned, choices, table: new FlagTable([...choices, ...fields], ownerOf) };
}

function fieldsOfChosen(section: string, { omit = [] }: Choice, config: z.ZodObject): Field[] {
  return fieldsOf(section, config).filter(({ key }) => !omit.includes(key));
}

/** The first component that has a flag, as it is chosen on the command line. */
function ownerAmong(
  sections: Sections,
  components: ComponentSources,
  flag: string,
): string | undefined {
  for (const [section, choice] of Object.entries(sections)) {
    if (!isChoice(choice)) continue;
    const source = sourceOf(choice, components);
    const owner = source.names().find((name) => {
      const { config } = source.choose(name).component;
      return new FlagTable(fieldsOfChosen(section, choice, config)).flag(flag) !== undefined;
    });
    if (owner !== undefined) return `${flagOf(choice.key)} ${owner}`;
  }
  return undefined;
}

function sourceOf(choice: Choice, components: ComponentSources) {
  const source = components[choice.registry];
  if (source === undefined) throw new Error(`no registry ${choice.registry} for ${choice.key}`);
  return source;
}

/** The field by which a choice is made: a text among the registered names. */
function choiceField(section: string, choice: Choice, components: ComponentSources): Field {
  const names = sourceOf(choice, components).names();
  return {
    key: choice.key,
    section,
    flag: flagOf(choice.key),
    aliases: choice.aliases,
    description: choice.description,
    value: { type: "string", enum: names },
    default: choice.default,
    required: false,
    accepts: (value) => typeof value === "string" && names.includes(value),
  };
}

function select(
  choice: Choice,
  given: ReadonlyMap<string, Given>,
  file: ConfigFile | undefined,
  components: ComponentSources,
): Selection {
  const name = given.get(choice.key)?.value ?? file?.values[choice.key] ?? choice.default;
  if (typeof name !== "string") {
    throw new UserError({
      place: `${file?.path}: ${choice.key}`,
      problem: "is not a name",
      remedy: `give one of ${sourceOf(choice, components).names().join(", ")}`,
    });
  }
  return { choice, name, ...sourceOf(choice, components).choose(name) };
}

/**
 * The values of a configuration file by key, aliases resolved. null means "not given".
 * @throws UserError on a key that the plan does not know.
 */
export function fileValues(file: ConfigFile, table: FlagTable): Map<string, unknown> {
  const values = new Map<string, unknown>();
  for (const [name, value] of Object.entries(file.values)) {
    const field = table.key(name);
    if (field === undefined) {
      throw new UserError({
        place: `${file.path}: ${name}`,
        problem: "there is no such key here",
        remedy: didYouMean(
          name,
          table.keys(),
          "--help lists the flags; a key is one in snake_case",
        ),
      });
    }
    if (value !== null) values.set(field.key, interpretValue(field.value, value));
  }
  return values;
}
