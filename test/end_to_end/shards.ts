import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { succeed } from "./weft_process.ts";

const NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

/** Sentence pairs whose target is the source reversed; the same for the same number. */
export function reversals(first: number, count: number): { source: string; target: string }[] {
  return Array.from({ length: count }, (_, i) => {
    const n = first + i;
    const length = 2 + ((n * 7) % 9);
    const source = Array.from(
      { length },
      (_, k) => NUMBERS[(n * n + k * (n + 3)) % NUMBERS.length],
    );
    return { source: source.join(" "), target: [...source].reverse().join(" ") };
  });
}

/** Writes PREFIX.a and PREFIX.b. */
export function writeText(prefix: string, first: number, count: number): void {
  const pairs = reversals(first, count);
  writeFileSync(`${prefix}.a`, pairs.map(({ source }) => `${source}\n`).join(""));
  writeFileSync(`${prefix}.b`, pairs.map(({ target }) => `${target}\n`).join(""));
}

/** Two folders of binarised text with the same dictionaries. @returns them, joined by a colon. */
export function makeShards(folder: string): string {
  mkdirSync(folder, { recursive: true });
  const at = (name: string): string => join(folder, name);
  writeText(at("train0"), 0, 120);
  writeText(at("train1"), 1000, 90);
  writeText(at("valid"), 5000, 30);
  const common = ["preprocess", "-s", "a", "-t", "b"];
  succeed([
    ...common,
    "--trainpref",
    at("train0"),
    "--validpref",
    at("valid"),
    "--destdir",
    at("0"),
  ]);
  const dictionaries = ["--srcdict", at("0/dict.a.txt"), "--tgtdict", at("0/dict.b.txt")];
  succeed([...common, "--trainpref", at("train1"), ...dictionaries, "--destdir", at("1")]);
  return `${at("0")}:${at("1")}`;
}
