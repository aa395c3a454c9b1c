import type { z } from "zod";
import { expectation, placeholder, show } from "./expectation.ts";
import type { Field } from "./field.ts";
import { nearest } from "./nearest.ts";
import { UserError } from "./user_error.ts";

type Issue = z.core.$ZodIssue;

/** A value that was refused: what the user must hear about it. */
export interface Refused {
  readonly field: Field;
  /** Flag, file and key, or architecture and key. */
  readonly place: string;
  readonly value: unknown;
  readonly issue: Issue;
}

/** One refused value as an error: the place, the value, the allowed range. */
export function refusal({ field, place, value, issue }: Refused): UserError {
  if (issue.code === "custom") return ruleBroken(place, issue);
  if (value === undefined) {
    return new UserError({
      place,
      problem: "is missing",
      remedy: `give ${usageOf(field)}${field.description === "" ? "" : `: ${field.description}`}`,
    });
  }
  // Schemas say in their own words what a text must look like: "must be ...".
  if (issue.code === "invalid_format") {
    const problem = `${show(value)} is of the wrong form`;
    return new UserError({ place, problem, remedy: `it ${issue.message}` });
  }
  return new UserError({
    place,
    problem: `${show(value)} is ${complaint(issue, field)}`,
    remedy: `give ${expectation(field.value)}${suggestion(value, field)}`,
  });
}

/** A rule that the schema wrote itself (`.refine`), with its own words; `params.remedy` may help. */
export function ruleBroken(place: string, issue: Issue): UserError {
  const remedy = issue.code === "custom" ? issue.params?.remedy : undefined;
  return new UserError({
    place,
    problem: issue.message,
    remedy: typeof remedy === "string" ? remedy : "--help describes each setting",
  });
}

function usageOf(field: Field): string {
  if (field.positional) return field.key;
  if (field.rest) return `-- ${field.key}`;
  return `${field.flag} ${field.placeholder ?? placeholder(field.value)}`;
}

function complaint(issue: Issue, field: Field): string {
  switch (issue.code) {
    case "too_small":
    case "too_big":
      return issue.origin === "array" ? "a list of the wrong length" : "out of range";
    case "invalid_value":
      return "not among the choices";
    default:
      return field.value.enum !== undefined ? "not among the choices" : "of the wrong kind";
  }
}

function suggestion(value: unknown, field: Field): string {
  const choices = field.value.enum;
  if (choices === undefined || typeof value !== "string") return "";
  const guess = nearest(value, choices.map(String));
  return guess === undefined ? "" : `; did you mean ${guess}?`;
}
