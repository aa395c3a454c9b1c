// Words for what a field expects: used by --help ("{hard,soft}", "N") and by errors
// ("give a whole number, at least 1").
import type { ValueSchema } from "./field.ts";

/** A value as it would be written in a flag or an error. */
export function show(value: unknown): string {
  if (Array.isArray(value)) return value.map(String).join(",");
  return JSON.stringify(value) ?? "nothing";
}

/** "a whole number, at least 1" */
export function expectation(schema: ValueSchema): string {
  const alternatives = subschemas(schema.anyOf);
  if (alternatives.length > 0) return alternatives.map(expectation).join(", or ");
  if (schema.const !== undefined) return show(schema.const);
  if (schema.enum !== undefined) return `one of ${schema.enum.join(", ")}`;
  switch (schema.type) {
    case "integer":
      return `a whole number${range(schema)}`;
    case "number":
      return `a number${range(schema)}`;
    case "boolean":
      return "true or false";
    case "array":
      return listExpectation(schema);
    case "object":
      return `a record such as {"name": 1}`;
    case "string":
      return "a text";
    default:
      return "another value";
  }
}

/** What --help shows in the place of a value: N, X, {hard,soft}. */
export function placeholder(schema: ValueSchema): string {
  const alternatives = subschemas(schema.anyOf);
  if (alternatives.length > 0) return placeholder(alternatives.at(-1) ?? {});
  if (schema.enum !== undefined) return `{${schema.enum.join(",")}}`;
  switch (schema.type) {
    case "integer":
      return "N";
    case "number":
      return "X";
    case "array":
      return listPlaceholder(schema);
    case "object":
      return "{...}";
    default:
      return "TEXT";
  }
}

function listPlaceholder(schema: ValueSchema): string {
  const fixed = subschemas(schema.prefixItems);
  if (fixed.length > 0) return fixed.map(placeholder).join(",");
  const item = itemsOf(schema);
  return item?.type === "string" ? placeholder(item) : `${placeholder(item ?? {})},...`;
}

function listExpectation(schema: ValueSchema): string {
  const fixed = subschemas(schema.prefixItems);
  if (fixed.length > 0) {
    return `${fixed.length} values such as ${fixed.map(example).join(",")}: each ${expectation(fixed[0] ?? {})}`;
  }
  const item = itemsOf(schema);
  const least = (schema.minItems ?? 0) > 0 ? " of at least one item" : "";
  if (item?.type === "string") return `a list of texts${least}`;
  return `a list${least} such as ${example(item ?? {})}: each ${expectation(item ?? {})}`;
}

function example(schema: ValueSchema): string {
  return schema.type === "integer" ? "1" : "0.5";
}

function itemsOf(schema: ValueSchema): ValueSchema | undefined {
  return subschemas([schema.items].flat())[0];
}

function subschemas(list: readonly unknown[] | undefined): ValueSchema[] {
  return (list ?? []).filter((item): item is ValueSchema => typeof item === "object");
}

/** ", at least 1" or " from 0 to 1"; the bounds of safe integers, which zod always adds, say nothing. */
function range(schema: ValueSchema): string {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
  const low = minimum === Number.MIN_SAFE_INTEGER ? undefined : minimum;
  const high = maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum;
  if (low !== undefined && high !== undefined) return ` from ${low} to ${high}`;
  const bounds = [
    low === undefined ? "" : `at least ${low}`,
    exclusiveMinimum === undefined ? "" : `above ${exclusiveMinimum}`,
    high === undefined ? "" : `at most ${high}`,
    exclusiveMaximum === undefined ? "" : `below ${exclusiveMaximum}`,
  ].filter((bound) => bound !== "");
  return bounds.length === 0 ? "" : `, ${bounds.join(" and ")}`;
}
