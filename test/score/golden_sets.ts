// The segments that score's goldens were made of.
import { readFileSync } from "node:fs";
import { splitLines } from "../../src/data/text_lines.ts";
import { goldenPath } from "../support/golden.ts";

/** Lines of sets/NAME.txt, e.g. "de_light.hyp". */
export const readSet = (name: string): string[] =>
  splitLines(readFileSync(goldenPath(`score/sets/${name}.txt`), "utf8"));

/** As scored: in one set a TAB is written as backslash t. */
export const readScoredSet = (name: string): string[] => {
  const lines = readSet(name);
  return name.startsWith("mixed_unicode")
    ? lines.map((line) => line.replaceAll("\\t", "\t"))
    : lines;
};

/** Hypotheses, and one list of references for each. */
export function readPairs(
  set: string,
  references: number,
): { hypotheses: string[]; references: string[][] } {
  const base = set.replace(/_\drefs$/, "");
  const sides = Array.from({ length: references }, (_, i) =>
    readScoredSet(`${base}.ref${i === 0 ? "" : i + 1}`),
  );
  const hypotheses = readScoredSet(`${base}.hyp`);
  return { hypotheses, references: hypotheses.map((_, i) => sides.map((side) => side[i])) };
}

/** True within a relative error of 1e-9. */
export const near = (a: number, b: number): boolean =>
  Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(b));
