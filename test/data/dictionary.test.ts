import { expect, test } from "bun:test";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../../src/config/user_error.ts";
import { Dictionary } from "../../src/data/dictionary.ts";
import { loadDictionary } from "../../src/data/dictionary_file.ts";
import { tokenizeLine } from "../../src/data/white_space.ts";
import { goldenPath, goldenTest, readGolden } from "../support/golden.ts";

interface State {
  symbols: string[];
  count: number[];
  nspecial: number;
  len: number;
  indices: Record<string, number>;
}
type Step = { op: [string, ...unknown[]]; returns: unknown };
type Case =
  | { kind: "ops"; name: string; init: Record<string, unknown>; steps: Step[]; state: State }
  | {
      kind: "load";
      name: string;
      text: string;
      error?: string;
      result?: { state: State; saved: string };
    }
  | { kind: "string"; symbols: string[]; calls: StringCall[] }
  | { kind: "tokenize_line"; lines: { line: string; tokens: string[] }[] }
  | { kind: "space_characters"; codepoints: string[] };
interface StringCall {
  tokens: number[] | number[][];
  kwargs: Record<string, unknown>;
  result?: string;
  error?: string;
}

const cases = <K extends Case["kind"]>(kind: K): Extract<Case, { kind: K }>[] =>
  readGolden<{ cases: Case[] }>("data/dictionary.json").cases.filter(
    (c): c is Extract<Case, { kind: K }> => c.kind === kind,
  );

function expectState(dictionary: Dictionary, state: State): void {
  expect(dictionary.symbols).toEqual(state.symbols);
  expect(dictionary.count).toEqual(state.count);
  expect(dictionary.nspecial).toBe(state.nspecial);
  for (const [symbol, index] of Object.entries(state.indices)) {
    expect(dictionary.index(symbol)).toBe(index);
  }
}

/** One step of fairseq's API on our dictionary. */
function apply(dictionary: Dictionary, [op, ...args]: Step["op"]): unknown {
  const options = (args.at(-1) ?? {}) as Record<string, number | boolean | undefined>;
  const word = String(args[0]);
  switch (op) {
    case "add_symbol":
      return dictionary.addSymbol(word, Number(options.n ?? 1), options.overwrite === true);
    case "finalize":
      dictionary.finalize({
        threshold: options.threshold as number | undefined,
        nwords: options.nwords as number | undefined,
        paddingFactor: options.padding_factor as number | undefined,
      });
      return null;
    case "index":
      return dictionary.index(word);
    case "getitem":
      return dictionary.symbol(Number(args[0]));
    case "pad_to_multiple_":
      dictionary.padToMultiple(Number(args[0]));
      return null;
    case "update": {
      const other = new Dictionary();
      for (const [symbol, n] of args[0] as [string, number][]) other.addSymbol(symbol, n);
      dictionary.update(other);
      return null;
    }
    case "encode_line": {
      const ids = dictionary.encodeLine(word, {
        add: options.add_if_not_exist !== false,
        appendEos: options.append_eos !== false,
        reverse: options.reverse_order === true,
        tokenize: options.chars ? (line) => [...line] : undefined,
      });
      return [...ids];
    }
    default:
      throw new Error(`no step ${op}`);
  }
}

goldenTest(
  "Dictionary ends in fairseq's state after every sequence of steps",
  "data/dictionary.json",
  () => {
    for (const { name, init, steps, state } of cases("ops")) {
      const dictionary = new Dictionary({
        ...init,
        extra: init.extra_special_symbols as string[],
      });
      for (const { op, returns } of steps) {
        const ids = (returns as { ids?: number[] } | null)?.ids ?? returns;
        expect({ name, op, got: apply(dictionary, op) }).toEqual({ name, op, got: ids });
      }
      expectState(dictionary, state);
    }
  },
);

goldenTest(
  "Dictionary.parse() reads and refuses the files fairseq reads and refuses",
  "data/dictionary.json",
  () => {
    for (const { text, error, result } of cases("load")) {
      const load = () => Dictionary.parse(text, "dict.txt");
      if (error) expect(load).toThrow(UserError);
      else if (result) {
        expectState(load(), result.state);
        expect(load().serialize()).toBe(result.saved);
      }
    }
  },
);

goldenTest("Dictionary.string() prints ids as fairseq does", "data/dictionary.json", () => {
  for (const { symbols, calls } of cases("string")) {
    const dictionary = new Dictionary();
    for (const symbol of symbols.slice(4)) dictionary.addSymbol(symbol);
    for (const { tokens, kwargs, result, error } of calls) {
      const rows = (Array.isArray(tokens[0]) ? tokens : [tokens]) as number[][];
      // fairseq forgets unk_string and separator for matrices; weft has no matrix form.
      if (Array.isArray(tokens[0]) && "unk_string" in kwargs) continue;
      const print = () =>
        rows
          .map((row) =>
            dictionary.string(row, {
              postProcess: kwargs.bpe_symbol as string | undefined,
              escapeUnk: kwargs.escape_unk === true,
              unkString: kwargs.unk_string as string | undefined,
              ignore: kwargs.extra_symbols_to_ignore as number[] | undefined,
              includeEos: kwargs.include_eos === true,
              separator: kwargs.separator as string | undefined,
            }),
          )
          .join("\n");
      if (error) expect(print).toThrow(UserError);
      else expect(print()).toBe(result ?? "");
    }
  }
});

goldenTest(
  "tokenizeLine() splits at Python's 29 white-space characters",
  "data/dictionary.json",
  () => {
    for (const { lines } of cases("tokenize_line")) {
      for (const { line, tokens } of lines) expect(tokenizeLine(line)).toEqual(tokens);
    }
    const splits = new Set(cases("space_characters").flatMap((c) => c.codepoints));
    expect(splits.size).toBe(29);
    for (let point = 0; point < 0x11000; point++) {
      if (point >= 0xd800 && point < 0xe000) continue;
      const name = `U+${point.toString(16).toUpperCase().padStart(4, "0")}`;
      const words = tokenizeLine(`a${String.fromCodePoint(point)}b`);
      if ((words.length === 2) !== splits.has(name)) throw new Error(`${name} splits wrongly`);
    }
  },
);

goldenTest(
  "loadDictionary() reads what weft preprocess shares with fairseq",
  "data/preprocess",
  () => {
    const path = goldenPath("data/preprocess/joined/dict.en.txt");
    const dictionary = loadDictionary(path);
    expect(dictionary.length).toBe(3104);
    expect(dictionary.equals(Dictionary.parse(dictionary.serialize(), "again"))).toBe(true);
  },
);

test("Dictionary.parse() names file and line of a bad count", () => {
  expect(() => Dictionary.parse("a 5\nb 1O\n", "data-bin/dict.de.txt")).toThrow(
    'data-bin/dict.de.txt:2: count "1O" is not a whole number',
  );
});

test("loadDictionary() names the file that is missing and the line that is not UTF-8", () => {
  expect(() => loadDictionary("/nowhere/dict.en.txt")).toThrow("/nowhere/dict.en.txt");
  const path = join(mkdtempSync(join(tmpdir(), "weft-")), "dict.en.txt");
  writeFileSync(path, Uint8Array.of(97, 32, 53, 10, 0xe4, 32, 52, 10));
  expect(() => loadDictionary(path)).toThrow(`${path}:2: the line is not valid UTF-8`);
});
