// Every recorded run of fairseq-interactive on a Transformer, line by line.
import { afterAll, beforeAll } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { interactive } from "../../src/cli/interactive.ts";
import { goldenTest } from "../support/golden.ts";
import { argumentsOf, expectLines, goldenCase, outputOf } from "./golden_case.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "weft-interactive-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** See withoutSurplus. */
const hasMore = new Set(["constraints_ordered_beam8", "constraints_unordered_beam8"]);

for (const name of [
  ...["bpe_subword_nmt", "buffer1", "buffer100_max_tokens60", "buffer4_batch2_nbest2"],
  ...["constraints_default_flag", "constraints_ordered_beam1", "constraints_ordered_beam4"],
  ...["constraints_ordered_beam8", "constraints_unordered_beam1", "constraints_unordered_beam4"],
  ...["constraints_unordered_beam8", "print_alignment", "r2l"],
]) {
  const path = `interactive/${name}`;
  goldenTest(`interactive prints fairseq's lines: ${name}`, `decode/${path}`, async () => {
    const golden = goldenCase(path);
    const input = join(folder, `${name}.txt`);
    writeFileSync(input, `${golden.input?.join("\n")}\n`);
    const lines = await outputOf(interactive, argumentsOf(golden, "--input", input));
    const expected = golden.output ?? [];
    expectLines(hasMore.has(name) ? withoutSurplus(lines, expected) : lines, expected);
  });
}

/**
 * Drops hypotheses of a sentence beyond those that fairseq has of it: at the length limit impossible
 * candidates take places in fairseq's beam, and hypotheses that end there with all constraints met
 * are lost. The better ones must be the same.
 */
function withoutSurplus(lines: readonly string[], expected: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const line of expected) {
    const tag = line.slice(0, line.indexOf("\t"));
    counts.set(tag, (counts.get(tag) ?? 0) + 1);
  }
  return lines.filter((line) => {
    const tag = line.slice(0, line.indexOf("\t"));
    const left = counts.get(tag) ?? 0;
    counts.set(tag, left - 1);
    return left > 0;
  });
}
