// A field is one key of a schema, seen from outside: what the command line, the help text and the
// configuration file need to know about it. Everything is read from the schema itself, by way of
// zod's JSON Schema (a published format), so there is nothing to keep in step by hand.
import { z } from "zod";
import { UserError } from "./user_error.ts";

/** What a schema may say with `.meta({...})` beyond its type, default and description. */
export interface FieldMeta {
  /** Other spellings: "-s" or "--max-sentences". Long ones also work as configuration keys. */
  readonly aliases?: readonly string[];
  /** Given by its place on the command line instead of by a flag. A list takes all that is left. */
  readonly positional?: boolean;
  /** A list of words: all that stands behind `--`, flags of another command among them. */
  readonly rest?: boolean;
  /** The value of the flag when it stands alone: `--print-alignment` is `--print-alignment hard`. */
  readonly bare?: unknown;
  /** Flags that stand for one value of this field: `--cpu` for `--device cpu`. */
  readonly shorthands?: Readonly<Record<string, unknown>>;
  /** A list of words whose flag takes all words behind it: `--inputs a b c`. Others take one. */
  readonly several?: boolean;
  /** What `--help` shows for the value: FILE, N. */
  readonly placeholder?: string;
}

declare module "zod" {
  interface GlobalMeta extends FieldMeta {}
}

/** The part of JSON Schema that zod writes for a field. */
export type ValueSchema = z.core.JSONSchema.BaseSchema;

export interface Field extends FieldMeta {
  /** As in configuration files: max_tokens. */
  readonly key: string;
  /** The part of the configuration it belongs to: "optimization", "criterion". */
  readonly section: string;
  /** As on the command line: --max-tokens. */
  readonly flag: string;
  readonly description: string;
  readonly value: ValueSchema;
  readonly default: unknown;
  readonly required: boolean;
  /** Whether the schema takes this value. */
  accepts(value: unknown): boolean;
}

/** max_tokens -> --max-tokens */
export function flagOf(key: string): string {
  return `--${key.replaceAll("_", "-")}`;
}

/** --max-tokens -> max_tokens */
export function keyOf(flag: string): string {
  return flag.replace(/^-+/, "").replaceAll("-", "_");
}

/** The fields of a section's schema, in the order written. @throws UserError on a misnamed key. */
export function fieldsOf(section: string, schema: z.ZodObject): Field[] {
  const json = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  const required = new Set(json.required ?? []);
  return Object.entries(json.properties ?? {}).map(([key, property]) => {
    const value = typeof property === "boolean" ? {} : (property as ValueSchema & FieldMeta);
    requireWellNamed(section, key, value.aliases ?? []);
    return {
      key,
      section,
      flag: flagOf(key),
      description: value.description ?? "",
      value,
      default: value.default,
      required: required.has(key),
      accepts: (given) => schema.shape[key]?.safeParse(given).success === true,
      ...metaOf(value),
    };
  });
}

function requireWellNamed(section: string, key: string, aliases: readonly string[]): void {
  const place = `the schema of ${section}`;
  if (!/^[a-z][a-z0-9_]*$/.test(key)) {
    throw new UserError({
      place,
      problem: `key ${JSON.stringify(key)} is not in snake_case`,
      remedy: "use small letters, digits and underscores: the flag is made from the key",
    });
  }
  const wrong = aliases.find((alias) => !/^(-[A-Za-z]|--[a-z][a-z0-9-]*)$/.test(alias));
  const short = aliases.filter((alias) => !alias.startsWith("--"));
  if (wrong === undefined && short.length <= 1) return;
  throw new UserError({
    place,
    problem: `${key} has the aliases ${aliases.join(" ")}`,
    remedy: "give at most one of a single letter, as -s, and long ones as --source-language",
  });
}

function metaOf(meta: FieldMeta): FieldMeta {
  const { aliases, positional, rest, bare, shorthands, several, placeholder } = meta;
  return { aliases, positional, rest, bare, shorthands, several, placeholder };
}

/** A switch is on or off, and takes no value on the command line. */
export function isSwitch(field: Field): boolean {
  return field.value.type === "boolean";
}

/** Whether it has no flag: its place on the command line says what it is. */
export const hasPlace = ({ positional, rest }: FieldMeta): boolean =>
  positional === true || rest === true;

/** A list of words is given word by word (`--plugin a --plugin b`); of numbers, as one (`0.1,0.2`). */
export function isWordList(field: Field): boolean {
  const items = field.value.items;
  return field.value.type === "array" && typeof items === "object" && "type" in items
    ? items.type === "string"
    : false;
}
