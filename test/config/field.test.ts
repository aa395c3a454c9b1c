import { expect, test } from "bun:test";
import { z } from "zod";
import { fieldsOf, flagOf, keyOf } from "../../src/config/field.ts";

test("flagOf() and keyOf() are each other's inverse", () => {
  expect(flagOf("max_source_positions")).toBe("--max-source-positions");
  expect(keyOf("--max-source-positions")).toBe("max_source_positions");
});

test("fieldsOf() finds what is said inside and outside of defaults and options", () => {
  const schema = z.strictObject({
    lr: z
      .array(z.number().describe("one"))
      .describe("rates")
      .default([0.25])
      .meta({ aliases: ["-l"] }),
    lang: z
      .string()
      .meta({ aliases: ["-s"], placeholder: "LANG" })
      .optional()
      .describe("language"),
    path: z.string().describe("file"),
  });
  const [lr, lang, path] = fieldsOf("section", schema);
  expect([lr?.description, lr?.default, lr?.aliases, lr?.required]).toEqual([
    "rates",
    [0.25],
    ["-l"],
    false,
  ]);
  expect([lang?.description, lang?.default, lang?.placeholder, lang?.required]).toEqual([
    "language",
    undefined,
    "LANG",
    false,
  ]);
  expect([path?.flag, path?.required, path?.accepts(1), path?.accepts("x")]).toEqual([
    "--path",
    true,
    false,
    true,
  ]);
});

test("fieldsOf() refuses keys and aliases that make no flags", () => {
  expect(() => fieldsOf("criterion x", z.strictObject({ labelSmoothing: z.number() }))).toThrow(
    'the schema of criterion x: key "labelSmoothing" is not in snake_case',
  );
  const aliased = (...aliases: string[]) =>
    z.strictObject({ a: z.int().optional().meta({ aliases }) });
  expect(() => fieldsOf("x", aliased("-ab"))).toThrow("a has the aliases -ab");
  expect(() => fieldsOf("x", aliased("-a", "-b"))).toThrow("at most one of a single letter");
});
