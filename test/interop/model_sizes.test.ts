import { expect, test } from "bun:test";
import { type ClaimedSide, refuseWrongSizes } from "../../src/interop/model_sizes.ts";

const shapes = new Map(
  Object.entries({
    "encoder.embed_positions.weight": [12, 8],
    "encoder.layers.0.self_attn.q_proj.weight": [8, 8],
    "encoder.layers.0.fc1.weight": [16, 8],
    "encoder.layers.3.fc1.weight": [16, 8],
    "decoder.layers.0.fc1.weight": [16, 8],
  }).map(([name, shape]) => [name, { shape }] as const),
);

const right: ClaimedSide = {
  layers: 2,
  embedDim: 8,
  ffnEmbedDim: 16,
  learnedPositions: true,
  maxPositions: 10,
};

const problemOf = (change: Partial<ClaimedSide>): string => {
  try {
    refuseWrongSizes("encoder", { ...right, ...change }, shapes, 1, "m.pt");
    return "none";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};

test("refuseWrongSizes() compares what a checkpoint claims with its tensors", () => {
  expect(problemOf({})).toBe("none");
  expect(problemOf({ layers: 1e9 })).toContain(
    "m.pt: encoder_layers: is 1000000000, but the file's tensors have 2;",
  );
  expect(problemOf({ layers: 1 })).toContain("override encoder_layers_to_keep");
  expect(problemOf({ embedDim: 1e9 })).toContain("m.pt: encoder_embed_dim: is 1000000000");
  expect(problemOf({ ffnEmbedDim: 15 })).toContain("m.pt: encoder_ffn_embed_dim: is 15");
  expect(problemOf({ maxPositions: 1e12 })).toContain(
    "m.pt: max_source_positions: is 1000000000000",
  );
});

test("refuseWrongSizes() bounds the sinusoids, which no tensor does", () => {
  expect(problemOf({ learnedPositions: false, maxPositions: 100_000 })).toBe("none");
  expect(problemOf({ learnedPositions: false, maxPositions: 1e12 })).toContain(
    "is 1000000000000, more than the 262144 that are computed",
  );
});
