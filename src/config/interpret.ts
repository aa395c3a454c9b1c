import type { ValueSchema } from "./field.ts";
import { parseLiteral } from "./literal.ts";

/**
 * The value that a text means where `schema` is expected: "5e-4" is a number for a number, text for
 * a string. A text that means nothing there is returned as it is, for the schema to refuse it by
 * name.
 */
export function interpret(schema: ValueSchema, text: string): unknown {
  for (const alternative of schema.anyOf ?? []) {
    if (typeof alternative === "boolean") continue;
    const value = interpret(alternative, text);
    if (fits(alternative, value)) return value;
  }
  switch (schema.type) {
    case "boolean":
      return interpretBoolean(text);
    case "number":
    case "integer":
      return interpretNumber(text);
    case "array":
      return interpretList(schema, text);
    case "object":
      return interpretLiteral(text);
    default:
      return text;
  }
}

/**
 * A value from a configuration file. As on the command line one number stands for a list of one,
 * and a text stands for what it spells (fairseq's YAML files write `adam_betas: (0.9, 0.98)`).
 */
export function interpretValue(schema: ValueSchema, value: unknown): unknown {
  if (typeof value === "string") return interpret(schema, value);
  if (schema.type === "array" && !Array.isArray(value)) return [value];
  return value;
}

function interpretBoolean(text: string): unknown {
  const small = text.toLowerCase();
  return small === "true" ? true : small === "false" ? false : text;
}

function interpretNumber(text: string): unknown {
  return /^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$/.test(text) ? Number(text) : text;
}

function interpretLiteral(text: string): unknown {
  try {
    return parseLiteral(text);
  } catch {
    return text;
  }
}

/** "[0.1, 0.2]", "(0.1, 0.2)", "0.1,0.2" and "0.1" are lists. */
function interpretList(schema: ValueSchema, text: string): unknown {
  if (/^\s*[[(]/.test(text)) return interpretLiteral(text);
  return text.split(",").map((item, i) => {
    const prefixed = schema.prefixItems?.[i];
    const itemSchema = prefixed ?? (Array.isArray(schema.items) ? undefined : schema.items);
    return typeof itemSchema === "object" ? interpret(itemSchema, item.trim()) : item.trim();
  });
}

/** Whether a value is of the alternative's kind; ranges are the schema's own work. */
function fits(schema: ValueSchema, value: unknown): boolean {
  if (schema.const !== undefined) return schema.const === value;
  if (schema.enum !== undefined) return schema.enum.some((allowed) => allowed === value);
  switch (schema.type) {
    case "integer":
    case "number":
      return typeof value === "number";
    case "array":
      return Array.isArray(value);
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value);
    case undefined:
      return true;
    default:
      return typeof value === schema.type;
  }
}
