// The format of dict.*.txt: a line per symbol, "symbol count", cut at the last space (symbols may
// hold spaces), optionally followed by " #fairseq:overwrite". Specials are not written.
import { UserError } from "../config/user_error.ts";
import { strip, stripEnd } from "./white_space.ts";

export interface DictionaryEntry {
  symbol: string;
  count: number;
  /** Whether the line may define a symbol again. */
  overwrite: boolean;
  /** file:line, for errors. */
  place: string;
}

/** @throws UserError naming place and line. */
export function* parseDictionaryText(text: string, place: string): Generator<DictionaryEntry> {
  const lines = text.split(/\r\n|\r|\n/);
  if (lines.at(-1) === "") lines.pop();
  for (const [i, line] of lines.entries()) yield parseEntry(line, `${place}:${i + 1}`);
}

function parseEntry(line: string, place: string): DictionaryEntry {
  let [symbol, field] = splitLast(line, place);
  const overwrite = field === "#fairseq:overwrite";
  if (overwrite) [symbol, field] = splitLast(symbol, place);
  const count = parsePythonInteger(field);
  if (count === undefined) {
    throw new UserError({
      place,
      problem: `count ${JSON.stringify(field)} is not a whole number`,
      remedy: 'write "symbol count" on each line, or rebuild with weft preprocess --dict-only',
    });
  }
  return { symbol, count, overwrite, place };
}

function splitLast(line: string, place: string): [string, string] {
  const text = stripEnd(line);
  const space = text.lastIndexOf(" ");
  if (space < 0) {
    throw new UserError({
      place,
      problem: `${JSON.stringify(text)} has no count`,
      remedy: 'write "symbol count" on each line, or rebuild with weft preprocess --dict-only',
    });
  }
  return [text.slice(0, space), text.slice(space + 1)];
}

/** Reads what Python's int() reads: a sign, underscores between digits, digits of any script. */
export function parsePythonInteger(text: string): number | undefined {
  const body = strip(text);
  if (!/^[+-]?\p{Nd}+(?:_\p{Nd}+)*$/u.test(body)) return undefined;
  let value = 0;
  for (const digit of body.replace(/[+\-_]/g, "")) value = value * 10 + digitValue(digit);
  return body.startsWith("-") ? -value : value;
}

/** Every script's decimal digits are ten neighbours from zero up, so counting back gives the value. */
function digitValue(digit: string): number {
  let before = (digit.codePointAt(0) ?? 0) - 1;
  const first = before;
  while (/\p{Nd}/u.test(String.fromCodePoint(before))) before--;
  return (first - before) % 10;
}
