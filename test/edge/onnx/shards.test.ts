// Bundles whose weights are several files: both engines compute as from one, whatever lies across a border.
import { expect, test } from "bun:test";
import { type BundleFiles, memorySource } from "../../../edge/export/bundle_files.ts";
import { ShardReader } from "../../../edge/onnx/shard_reader.ts";
import { Bundle } from "../../../edge/runtime/bundle.ts";
import { SequenceGenerator } from "../../../src/decode/sequence_generator.ts";
import type { StepDecoder } from "../../../src/decode/step_decoder.ts";
import { seededRandom } from "../../support/random.ts";
import { onnxDecoder, ownDecoder, randomFiles } from "./random_bundle.ts";
import { randomBatch } from "./scripted_search.ts";

const isShard = (name: string): boolean => name.startsWith("weights-");

const filesIn = (quantize: "int8" | "int4" | "none", shardBytes?: number): Promise<BundleFiles> =>
  randomFiles({ share_all_embeddings: true }, quantize, undefined, shardBytes);

const open = (files: BundleFiles): Promise<Bundle> => Bundle.open(memorySource(files, "shards"));

/** Tokens and scores of a search, to the last bit. */
async function found(decoder: StepDecoder & { close(): void }): Promise<string> {
  const generator = new SequenceGenerator(decoder, { beam: 4, maxLenB: 20 });
  const hypotheses = await generator.generate(randomBatch(4, [7, 2, 12]));
  decoder.close();
  return JSON.stringify(
    hypotheses.map((list) => list.map(({ tokens, score }) => [[...tokens], score])),
  );
}

// Not a multiple of a row, nor of the alignment: borders fall within tensors, within rows, and within numbers.
for (const [quantize, shardBytes] of [
  ["int8", 10_001],
  ["int4", 9_999],
  ["none", 40_001],
] as const) {
  test(`${quantize} weights in several shards give the bits of one shard, on both engines`, async () => {
    const [one, several] = [await filesIn(quantize), await filesIn(quantize, shardBytes)];
    expect([...one.keys()].filter(isShard)).toEqual(["weights-000.bin"]);
    const shards = [...several.keys()].filter(isShard);
    expect(shards.length).toBeGreaterThan(3);
    const { manifest } = await open(several);
    expect(manifest.shards).toEqual(shards);
    const sizes = shards.map((name) => manifest.files[name].bytes);
    expect(sizes.slice(0, -1).every((size) => size === shardBytes)).toBe(true);
    const crosses = ({ offset, bytes }: { offset: number; bytes: number }): boolean =>
      Math.trunc(offset / shardBytes) !== Math.trunc((offset + bytes - 1) / shardBytes);
    expect(manifest.tensors.filter(crosses).length).toBeGreaterThan(2);
    expect(await found(await ownDecoder(several))).toBe(await found(await ownDecoder(one)));
    expect(await found(await onnxDecoder(several))).toBe(await found(await onnxDecoder(one)));
  });
}

test("ShardReader.bytes() reads any piece as if the shards were one file, in any order", async () => {
  const whole = (await filesIn("int8")).get("weights-000.bin") ?? new Uint8Array();
  const reader = new ShardReader(await open(await filesIn("int8", 1000)));
  const random = seededRandom(6);
  const pieces = Array.from({ length: 40 }, () => {
    const offset = random.int(0, whole.length - 1);
    return [offset, random.int(0, Math.min(5000, whole.length - offset))];
  });
  for (const [offset, count] of [...pieces, [0, whole.length], [1000, 1000], [999, 2]]) {
    const piece = await reader.bytes(offset, count);
    expect(piece.length).toBe(count);
    expect(piece).toEqual(new Uint8Array(whole.subarray(offset, offset + count)));
  }
});

test("a shard that is damaged, or in another's place, is refused by its name", async () => {
  const files = await filesIn("int8", 10_001);
  const shards = [...files.keys()].filter(isShard);
  const second = files.get(shards[1]) ?? new Uint8Array();
  const last = shards.at(-1) ?? "";
  const damaged = files.get(last)?.slice() ?? new Uint8Array();
  damaged[damaged.length >> 1] ^= 1;
  for (const [name, bytes] of [
    [shards[0], second],
    [last, damaged],
  ] as const) {
    const changed = new Map(files).set(name, bytes);
    await expect(ownDecoder(changed)).rejects.toThrow(`random/${name}: is damaged`);
    await expect(onnxDecoder(changed)).rejects.toThrow(`random/${name}: is damaged`);
  }
});
