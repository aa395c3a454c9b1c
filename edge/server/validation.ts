// From a parsed body to a request, or to the one Problem that says which field is wrong and how.
import * as z from "zod";
import { expectation } from "../../src/config/expectation.ts";
import type { ValueSchema } from "../../src/config/field.ts";
import { didYouMean } from "../../src/config/nearest.ts";
import { Problem, quoted } from "./problem.ts";

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/**
 * A parser of bodies by a schema.
 *
 * @param maxItems longest list of a body. Looked at first: zod checks every item of a list before
 *   its length, and half a million wrong items would make half a million issues.
 */
export function createValidator<S extends z.ZodObject>(
  schema: S,
  maxItems: number,
): (body: unknown) => z.output<S> {
  const json = z.toJSONSchema(schema, { io: "input" }) as ValueSchema;
  return (body) => {
    requireShortLists(body, maxItems);
    const result = schema.safeParse(body);
    if (result.success) return result.data;
    throw problemOf(result.error.issues[0], body, json);
  };
}

function requireShortLists(body: unknown, maxItems: number): void {
  if (typeof body !== "object" || body === null) return;
  for (const [key, value] of Object.entries(body)) {
    if (!Array.isArray(value) || value.length <= maxItems) continue;
    throw invalid([shortened(key)], `has ${value.length} items`, `give at most ${maxItems}`);
  }
}

function problemOf(found: Issue, body: unknown, json: ValueSchema): Problem {
  const issue = innermost(found);
  const { path } = issue;
  if (issue.code === "unrecognized_keys") {
    const [key] = issue.keys;
    const known = Object.keys(schemaAt(json, path)?.properties ?? {});
    const list = `leave it out; known are ${known.join(", ")}`;
    const remedy = key.length > 64 ? list : didYouMean(key, known, list);
    return invalid([...path, shortened(key)], "is not a field of this request", remedy);
  }
  if (issue.code === "custom") {
    return invalid(path, issue.message, String(issue.params?.remedy ?? "see /docs"));
  }
  if (issue.code === "invalid_format") {
    return invalid(path, issue.message, "send well-formed Unicode without control characters");
  }
  const value = valueAt(body, path);
  const expected = schemaAt(json, path);
  return invalid(path, complaint(issue, value), `give ${wanted(issue, expected)}`);
}

/** Of the choices of a union, what the one that fits the value's kind says. */
function innermost(issue: Issue): Issue {
  if (issue.code !== "invalid_union") return issue;
  const choices = issue.errors.map(([first]) => first).filter((first) => first !== undefined);
  const nearest = choices.find(({ code, path }) => code !== "invalid_type" || path.length > 0);
  if (nearest === undefined) return { ...choices[0], path: issue.path } as Issue;
  return { ...innermost(nearest), path: [...issue.path, ...nearest.path] } as Issue;
}

function complaint(issue: Issue, value: unknown): string {
  if (value === undefined) return "is missing";
  if (issue.code !== "too_small" && issue.code !== "too_big") return `is ${show(value)}`;
  if (typeof value === "string") return `is ${value.length} UTF-16 units long`;
  if (Array.isArray(value)) return `has ${value.length} items`;
  return `${show(value)} is out of range`;
}

function wanted(issue: Issue, expected: ValueSchema | undefined): string {
  if (issue.code === "too_big" && issue.origin === "string") return `at most ${issue.maximum}`;
  if (issue.code === "too_small" && issue.origin === "array") return "at least one";
  if (expected?.anyOf !== undefined) return "a text, or a list of texts";
  if (expected?.required !== undefined) return `an object with ${expected.required.join(" and ")}`;
  return expected === undefined ? "another value" : expectation(expected);
}

/** Never the whole of a value: it may be a megabyte long, or nested a million deep. */
function show(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "string" ? quoted(value) : String(value);
}

function valueAt(body: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key],
    body,
  );
}

/** The part of a JSON Schema that a path of the data leads to. */
function schemaAt(json: ValueSchema, path: Path): ValueSchema | undefined {
  return path.reduce<ValueSchema | undefined>((schema, key) => {
    const choices = [schema, ...((schema?.anyOf ?? []) as ValueSchema[])];
    const parts = choices.map((choice) =>
      typeof key === "number" ? choice?.items : choice?.properties?.[String(key)],
    );
    return parts.find((part) => part !== undefined) as ValueSchema | undefined;
  }, json);
}

/** ["text", 2] -> "text[2]", ["sampling", "topk"] -> "sampling.topk", [] -> "body" */
function fieldOf(path: Path): string {
  const field = path.map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`));
  return path.length === 0 ? "body" : field.join("").replace(/^\./, "");
}

function shortened(key: string): string {
  return key.length > 64 ? `${key.slice(0, 61).toWellFormed()}...` : key.toWellFormed();
}

function invalid(path: Path, message: string, remedy: string): Problem {
  return new Problem(422, { code: "invalid", message, field: fieldOf(path), remedy });
}
