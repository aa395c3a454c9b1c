// Values as users of fairseq write them: Python's literals ("(0.9, 0.98)", "{'beam': 5}", "[0.25]",
// "True") and JSON, which is nearly a subset. They are parsed here; nothing is ever evaluated.

/** A value that JSON can hold. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const numberPattern = /[+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y;
const wordPattern = /[A-Za-z]+/y;
const words: ReadonlyMap<string, Json> = new Map<string, Json>([
  ["true", true],
  ["True", true],
  ["false", false],
  ["False", false],
  ["null", null],
  ["None", null],
]);
const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", b: "\b", f: "\f" };

/** Reads one literal from its text. */
class LiteralReader {
  private at = 0;
  constructor(private readonly text: string) {}

  whole(): Json {
    const value = this.value();
    this.skipSpace();
    if (this.at < this.text.length) this.fail("text after the value");
    return value;
  }

  private value(): Json {
    this.skipSpace();
    const first = this.text[this.at];
    if (first === "[") return this.list("]");
    if (first === "(") return this.list(")");
    if (first === "{") return this.record();
    if (first === '"' || first === "'") return this.quoted(first);
    const digits = this.match(numberPattern);
    if (digits !== undefined) return Number(digits.replaceAll("_", ""));
    const word = this.match(wordPattern);
    const value = word === undefined ? undefined : words.get(word);
    if (value === undefined) this.fail("no value");
    return value;
  }

  private list(close: string): Json[] {
    const items: Json[] = [];
    this.at += 1;
    while (!this.take(close)) {
      items.push(this.value());
      if (!this.take(",") && !this.peek(close)) this.fail(`no "," or "${close}"`);
    }
    return items;
  }

  private record(): { [key: string]: Json } {
    const entries: [string, Json][] = [];
    this.at += 1;
    while (!this.take("}")) {
      const key = this.value();
      if (key !== null && typeof key === "object") this.fail("a key that is not a word or number");
      if (!this.take(":")) this.fail('no ":"');
      entries.push([String(key), this.value()]);
      if (!this.take(",") && !this.peek("}")) this.fail('no "," or "}"');
    }
    return Object.fromEntries(entries); // defines own keys, so "__proto__" is only a name here
  }

  private quoted(quote: string): string {
    let value = "";
    for (this.at += 1; this.at < this.text.length; this.at++) {
      const letter = this.text[this.at] as string;
      if (letter === quote) {
        this.at += 1;
        return value;
      }
      value += letter === "\\" ? this.escape() : letter;
    }
    return this.fail("an open quote");
  }

  /** The letter that a backslash introduces; leaves the position on the escape's last character. */
  private escape(): string {
    this.at += 1;
    const letter = this.text[this.at] ?? this.fail("an open quote");
    if (letter !== "u") return escapes[letter] ?? letter;
    const code = this.text.slice(this.at + 1, this.at + 5);
    if (!/^[0-9a-fA-F]{4}$/.test(code)) this.fail("a \\u without four hexadecimal digits");
    this.at += 4;
    return String.fromCharCode(Number.parseInt(code, 16));
  }

  private match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    this.at += found?.length ?? 0;
    return found;
  }

  private skipSpace(): void {
    while (/\s/.test(this.text[this.at] ?? "")) this.at += 1;
  }

  private peek(letter: string): boolean {
    this.skipSpace();
    return this.text[this.at] === letter;
  }

  private take(letter: string): boolean {
    const found = this.peek(letter);
    if (found) this.at += 1;
    return found;
  }

  private fail(problem: string): never {
    throw new SyntaxError(`${problem} at character ${this.at + 1} of ${this.text}`);
  }
}

/** The value of a Python or JSON literal. Tuples become lists. @throws SyntaxError otherwise. */
export function parseLiteral(text: string): Json {
  return new LiteralReader(text).whole();
}
