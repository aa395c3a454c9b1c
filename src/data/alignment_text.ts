// Word alignments as text: a line per sentence pair, "i-j" pairs of 0-based positions.
import { UserError } from "../config/user_error.ts";
import type { Dictionary } from "./dictionary.ts";
import { readTextLines } from "./text_lines.ts";
import { tokenizeLine } from "./white_space.ts";

/**
 * The pairs of a line, flat: [i0, j0, i1, j1, ...].
 *
 * @throws UserError for anything but "i-j".
 */
export function parseAlignment(line: string, place: string): Int32Array {
  const pairs: number[] = [];
  for (const word of tokenizeLine(line)) {
    const [, source, target] = /^(\d+)-(\d+)$/.exec(word) ?? [];
    if (source === undefined || target === undefined) {
      throw new UserError({
        place,
        problem: `${JSON.stringify(word)} is not a pair of positions`,
        remedy: 'write "i-j", counting words from 0: fast_align and awesome-align do',
      });
    }
    pairs.push(Number(source), Number(target));
  }
  return Int32Array.from(pairs);
}

/**
 * The target word most often aligned to each source word, for `--replace-unk FILE`: a line
 * "source target" per source word, in the order of first meeting; ties go to the pair met first.
 * Unknown words and the ends of sentences take no part.
 *
 * fairseq 0.12 means this but writes a line per pair (its counting keys never compare equal).
 *
 * @throws UserError if the files differ in length or a pair points outside its sentences.
 */
export function alignmentTable(
  paths: { alignments: string; source: string; target: string },
  source: Dictionary,
  target: Dictionary,
): string {
  const alignments = readTextLines(paths.alignments);
  const sources = readTextLines(paths.source);
  const targets = readTextLines(paths.target);
  if (alignments.length !== sources.length) {
    throw new UserError({
      place: paths.alignments,
      problem: `it has ${alignments.length} lines, ${paths.source} has ${sources.length}`,
      remedy: "give the alignment of exactly this text",
    });
  }
  const counts = new Map<number, Map<number, number>>();
  for (const [i, line] of alignments.entries()) {
    const place = `${paths.alignments}:${i + 1}`;
    const src = source.encodeLine(sources[i] ?? "");
    const tgt = target.encodeLine(targets[i] ?? "");
    const pairs = parseAlignment(line, place);
    for (let k = 0; k < pairs.length; k += 2) {
      const s = src[pairs[k] ?? 0];
      const t = tgt[pairs[k + 1] ?? 0];
      if (s === undefined || t === undefined) {
        throw new UserError({
          place,
          problem: `${pairs[k]}-${pairs[k + 1]} points outside the sentences`,
          remedy: "give the alignment of exactly this text",
        });
      }
      if (s === source.unkIndex || t === target.unkIndex) continue;
      if (s === source.eosIndex || t === target.eosIndex) continue;
      const row = counts.get(s) ?? new Map<number, number>();
      row.set(t, (row.get(t) ?? 0) + 1);
      counts.set(s, row);
    }
  }
  const lines: string[] = [];
  for (const [s, row] of counts) {
    let best = target.unkIndex;
    for (const [t, count] of row) if (count > (row.get(best) ?? 0)) best = t;
    lines.push(`${source.symbol(s)} ${target.symbol(best)}\n`);
  }
  return lines.join("");
}
