import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseLiteral } from "../../src/config/literal.ts";

test("parseLiteral() reads Python's literals", () => {
  expect(parseLiteral("(0.9, 0.98)")).toEqual([0.9, 0.98]);
  expect(parseLiteral("(1,)")).toEqual([1]);
  expect(parseLiteral("[]")).toEqual([]);
  expect(parseLiteral("{'beam': 5, 'lenpen': .6, 'quiet': True, 'x': None}")).toEqual({
    beam: 5,
    lenpen: 0.6,
    quiet: true,
    x: null,
  });
  expect(parseLiteral("{3: 'it\\'s', \"a\": [1_000, -2e-4]}")).toEqual({
    3: "it's",
    a: [1000, -2e-4],
  });
});

test("parseLiteral() reads whatever JSON writes", () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), fc.nat(4), (value, indent) => {
      const read = parseLiteral(JSON.stringify(value, null, indent));
      expect(JSON.stringify(read)).toBe(JSON.stringify(value));
    }),
  );
});

test("parseLiteral() refuses everything else, and evaluates nothing", () => {
  const wrong = [
    "",
    "(1",
    "[1 2]",
    "{'a'}",
    "{'a': }",
    "1 + 1",
    "__import__('os')",
    "'open",
    "1,2",
    "{[1]: 2}",
    "nul",
    '"\\u12"',
  ];
  for (const text of wrong) expect(() => parseLiteral(text)).toThrow(SyntaxError);
});

test("parseLiteral() makes an own key of __proto__", () => {
  const record = parseLiteral('{"__proto__": {"polluted": 1}}') as Record<string, unknown>;
  expect(Object.keys(record)).toEqual(["__proto__"]);
  expect((Object.prototype as Record<string, unknown>).polluted).toBe(undefined);
});
