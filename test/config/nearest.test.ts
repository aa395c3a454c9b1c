import { expect, test } from "bun:test";
import { didYouMean, nearest } from "../../src/config/nearest.ts";

const flags = ["--max-tokens", "--max-source-positions", "--beam", "-h"];

test("nearest() forgives letters, dashes, underscores and case", () => {
  expect(nearest("--max-tokns", flags)).toBe("--max-tokens");
  expect(nearest("max_tokens", flags)).toBe("--max-tokens");
  expect(nearest("--MaxTokens", flags)).toBe("--max-tokens");
});

test("nearest() takes a name that only goes on too long, or stops too early", () => {
  expect(nearest("--beam-size", flags)).toBe("--beam");
  expect(nearest("--max-source", flags)).toBe("--max-source-positions");
});

test("nearest() offers nothing that is not near", () => {
  expect(nearest("--dropout", flags)).toBe(undefined);
  expect(nearest("-x", flags)).toBe(undefined);
  expect(didYouMean("--dropout", flags, "see --help")).toBe("see --help");
});
