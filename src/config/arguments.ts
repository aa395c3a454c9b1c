// The command line, read by the fields of a command. node:util's parseArgs splits it into tokens;
// what a token means is decided here, by the schemas. (A parser library such as commander wants
// every option declared beforehand, with one long name each, and cannot ask a schema whether the
// word behind `--remove-bpe` is its value. parseArgs runs the same on Bun, Deno and Node.)
import { parseArgs } from "node:util";
import { expectation, show } from "./expectation.ts";
import type { Field } from "./field.ts";
import { isSwitch, isWordList } from "./field.ts";
import type { FlagMeaning, FlagTable } from "./flag_table.ts";
import { interpret } from "./interpret.ts";
import { didYouMean } from "./nearest.ts";
import { retiredFlag } from "./retired_flags.ts";
import { UserError } from "./user_error.ts";

/** A value from the command line and the flag as the user spelled it ("data" for a positional). */
export interface Given {
  readonly value: unknown;
  readonly flag: string;
}

type Token = NonNullable<ReturnType<typeof parseArgs>["tokens"]>[number];
type OptionToken = Extract<Token, { kind: "option" }>;

/**
 * The values that the arguments give to fields, by key.
 *
 * @param tolerant pass over unknown flags and surplus words: for the first pass, which only looks
 *   for the choices and plug-ins that say which flags there are.
 * @throws UserError on an unknown flag, a missing value, a surplus word.
 */
export function parseArguments(
  args: readonly string[],
  table: FlagTable,
  { tolerant = false } = {},
): Map<string, Given> {
  return new ArgumentReader(args, table, tolerant).read();
}

class ArgumentReader {
  private readonly given = new Map<string, Given>();
  private readonly words: string[] = [];
  private readonly tokens: readonly Token[];
  private at = 0;

  constructor(
    args: readonly string[],
    private readonly table: FlagTable,
    private readonly tolerant: boolean,
  ) {
    this.tokens = tokenize(args, table);
  }

  read(): Map<string, Given> {
    while (this.at < this.tokens.length) {
      const token = this.tokens[this.at] as Token;
      this.at += 1;
      if (token.kind === "positional") this.words.push(token.value);
      if (token.kind === "option") this.readOption(token);
      if (token.kind === "option-terminator") this.readRest();
    }
    this.placeWords();
    return this.given;
  }

  /** What stands behind `--` belongs to the field that takes it, if there is one. */
  private readRest(): void {
    const { rest } = this.table;
    if (!rest) return;
    const value = this.tokens
      .slice(this.at)
      .flatMap((token) => (token.kind === "positional" ? [token.value] : []));
    this.at = this.tokens.length;
    this.given.set(rest.key, { value, flag: "--" });
  }

  private readOption(token: OptionToken): void {
    const meaning = this.table.flag(token.rawName);
    if (meaning !== undefined) this.give(token, meaning);
    else if (!this.tolerant) throw unknownFlag(token.rawName, this.table);
  }

  private give(token: OptionToken, { field, sets }: FlagMeaning): void {
    const flag = token.rawName;
    if (sets !== undefined) {
      if (token.value !== undefined) {
        throw new UserError({
          place: flag,
          problem: `takes no value, but ${show(token.value)} is given`,
          remedy: `write ${flag} alone, or ${field.flag}=VALUE`,
        });
      }
      this.given.set(field.key, { value: sets.value, flag });
    } else if (isSwitch(field)) {
      const text = token.value ?? this.nextWord(token, (word) => /^(true|false)$/i.test(word));
      this.given.set(field.key, {
        value: text === undefined ? true : interpret(field.value, text),
        flag,
      });
    } else if (field.bare !== undefined) {
      const text =
        token.value ?? this.nextWord(token, (word) => field.accepts(interpret(field.value, word)));
      this.given.set(field.key, {
        value: text === undefined ? field.bare : interpret(field.value, text),
        flag,
      });
    } else if (isWordList(field)) {
      const earlier = this.given.get(field.key)?.value;
      const value = [...(Array.isArray(earlier) ? earlier : []), requiredValue(token, field)];
      if (field.several) value.push(...this.nextWords(token));
      this.given.set(field.key, { value, flag });
    } else {
      this.given.set(field.key, {
        value: interpret(field.value, requiredValue(token, field)),
        flag,
      });
    }
  }

  /** Takes the word that follows, unless it does not suit or `--flag=value` already closed the list. */
  private nextWord(
    token: OptionToken,
    suits: (word: string) => boolean = () => true,
  ): string | undefined {
    const next = this.tokens[this.at];
    if (token.inlineValue || next?.kind !== "positional" || !suits(next.value)) return undefined;
    this.at += 1;
    return next.value;
  }

  private nextWords(token: OptionToken): string[] {
    const words: string[] = [];
    for (let word = this.nextWord(token); word !== undefined; word = this.nextWord(token)) {
      words.push(word);
    }
    return words;
  }

  /** Hands the words that belong to no flag to the positional fields, in order. */
  private placeWords(): void {
    const words = [...this.words];
    for (const field of this.table.positionals) {
      if (words.length === 0) return;
      const value = isWordList(field)
        ? words.splice(0)
        : interpret(field.value, words.shift() ?? "");
      this.given.set(field.key, { value, flag: field.key });
    }
    if (words.length > 0 && !this.tolerant) {
      throw new UserError({
        place: "the command line",
        problem: `${show(words[0])} belongs to no flag`,
        remedy: this.table.rest
          ? `put -- before the ${this.table.rest.key}`
          : "remove it, or put the flag that it is meant for before it; --help lists them",
      });
    }
  }
}

function tokenize(args: readonly string[], table: FlagTable): readonly Token[] {
  const options: Record<string, { type: "string" | "boolean"; short?: string }> = {};
  for (const flag of table.flags()) {
    if (!flag.startsWith("--")) continue;
    const meaning = table.flag(flag);
    if (meaning === undefined) continue;
    const { field, sets } = meaning;
    const short =
      field.flag === flag ? field.aliases?.find((alias) => !alias.startsWith("--")) : undefined;
    options[flag.slice(2)] = {
      type:
        sets !== undefined || isSwitch(field) || field.bare !== undefined ? "boolean" : "string",
      ...(short === undefined ? {} : { short: short.slice(1) }),
    };
  }
  return parseArgs({
    args: [...args],
    options,
    strict: false,
    tokens: true,
    allowPositionals: true,
  }).tokens;
}

/** The value of a flag that needs one. "-1" is a value, "--beam" is the next flag. */
function requiredValue(token: OptionToken, field: Field): string {
  const { value } = token;
  const isFlag = !token.inlineValue && value !== undefined && /^-[^\d.]/.test(value);
  if (value !== undefined && !isFlag) return value;
  throw new UserError({
    place: token.rawName,
    problem: isFlag ? `needs a value, but ${value} follows` : "needs a value",
    remedy: `give ${expectation(field.value)}${isFlag ? `; if ${value} is meant, write ${token.rawName}=${value}` : ""}`,
  });
}

function unknownFlag(flag: string, table: FlagTable): UserError {
  const owner = table.ownerOf(flag);
  if (owner !== undefined) {
    return new UserError({
      place: flag,
      problem: `belongs to ${owner}, which is not chosen`,
      remedy: `add ${owner}, or leave the flag out`,
    });
  }
  return new UserError({
    place: flag,
    problem: "there is no such flag here",
    remedy: retiredFlag(flag) ?? didYouMean(flag, table.flags(), "--help lists the flags"),
  });
}
