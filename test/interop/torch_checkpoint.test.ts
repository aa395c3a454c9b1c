import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { openFileSource } from "../../src/interop/file_source.ts";
import { readSafetensors } from "../../src/interop/safetensors.ts";
import { toFloat32 } from "../../src/interop/stored_tensor.ts";
import {
  isTuple,
  OrderedDict,
  PickleDict,
  PickleRecord,
  type PickleValue,
  TorchTensor,
} from "../../src/interop/torch_checkpoint/pickle_values.ts";
import {
  isTorchCheckpoint,
  openTorchCheckpoint,
} from "../../src/interop/torch_checkpoint/torch_checkpoint.ts";
import { goldenPath, goldenTest, hasFullGoldens, readGolden } from "../support/golden.ts";

/** How the goldens describe a value of Python. */
type Described =
  | { type: string; value: null | boolean | number | string }
  | { type: string; items: Described[] | Record<string, Described>; len?: number }
  | {
      tensor: number[];
      dtype: string;
      stride: number[];
      storage_offset: number;
      storage_elements: number;
    };

const TORCH_DTYPES: Record<string, string> = { float32: "F32", int64: "I64", float16: "F16" };

function expectSame(value: PickleValue, golden: Described, path: string): void {
  if ("tensor" in golden) {
    if (!(value instanceof TorchTensor)) throw new Error(`${path} is no tensor`);
    const { storage, offset, shape, strides } = value;
    expect({
      path,
      tensor: shape,
      dtype: storage.dtype as string,
      stride: strides,
      storage_offset: offset,
      storage_elements: storage.elements,
    }).toEqual({ path, ...golden, dtype: TORCH_DTYPES[golden.dtype] ?? golden.dtype });
  } else if ("value" in golden) {
    const plain = typeof value === "bigint" ? Number(value) : value; // JSON has no wider integers
    expect({ path, value: plain }).toEqual({ path, value: golden.value });
  } else if (Array.isArray(golden.items)) {
    if (!Array.isArray(value)) throw new Error(`${path} is no list`);
    expect({ path, tuple: isTuple(value) }).toEqual({ path, tuple: golden.type === "tuple" });
    expect({ path, length: value.length }).toEqual({
      path,
      length: golden.len ?? golden.items.length,
    });
    for (const [i, item] of golden.items.entries()) expectSame(value[i], item, `${path}[${i}]`);
  } else {
    const fields = value instanceof PickleRecord ? value.fields : value;
    if (!(fields instanceof PickleDict)) throw new Error(`${path} is no dict`);
    const type = value instanceof PickleRecord ? value.className : "dict";
    expect(value instanceof OrderedDict ? "OrderedDict" : type).toBe(golden.type);
    const [got, want] = [[...fields.keys()].map(String), Object.keys(golden.items)];
    // The goldens sort a namespace's fields; a dict's order is its own.
    if (value instanceof PickleRecord) got.sort();
    expect({ path, keys: got }).toEqual({ path, keys: want });
    for (const [key, item] of fields) {
      expectSame(
        item,
        golden.items[String(key)] ?? { type: "absent", value: null },
        `${path}.${key}`,
      );
    }
  }
}

const models = hasFullGoldens
  ? readdirSync(goldenPath("checkpoints"))
      .filter((file) => file.endsWith(".pt"))
      .map((file) => file.slice(0, -3))
  : ["transformer_b"];

for (const model of models) {
  goldenTest(
    `openTorchCheckpoint() reads ${model}.pt as torch does`,
    `checkpoints/${model}`,
    () => {
      const checkpoint = openTorchCheckpoint(goldenPath(`checkpoints/${model}.pt`));
      const golden = readGolden<{ contents: Record<string, Described> }>(
        `checkpoints/${model}.json`,
      );
      expectSame(checkpoint.root, { type: "dict", items: golden.contents }, model);
      checkpoint.close();
    },
  );
}

const hex = (data: Float32Array) =>
  Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex");

const withWeights = models.filter((model) => !model.startsWith("legacy_") && !model.includes("."));
for (const [model, weights] of [
  ...withWeights.map((model) => [model, model] as const),
  ...(hasFullGoldens
    ? ([
        ["legacy_args", "transformer_a"],
        ["transformer_a.no_optimizer", "transformer_a"],
      ] as const)
    : []),
]) {
  goldenTest(
    `openTorchCheckpoint() gives ${model}.pt's weights bit for bit`,
    `checkpoints/${weights}.weights.safetensors`,
    () => {
      const checkpoint = openTorchCheckpoint(goldenPath(`checkpoints/${model}.pt`));
      const state = (checkpoint.root as PickleDict).get("model") as PickleDict;
      const { tensors } = readSafetensors(goldenPath(`checkpoints/${weights}.weights.safetensors`));
      expect(tensors.size).toBeGreaterThan(5);
      for (const [name, golden] of tensors) {
        if (name.endsWith("_float_tensor")) continue; // uninitialised memory
        const value = state.get(name);
        if (!(value instanceof TorchTensor)) throw new Error(`${name} is missing`);
        const tensor = checkpoint.read(value);
        expect({ name, shape: tensor.shape }).toEqual({ name, shape: golden.shape });
        const [got, want] = [hex(toFloat32(tensor)), hex(toFloat32(golden))];
        expect({ name, same: got === want }).toEqual({ name, same: true });
      }
      checkpoint.close();
    },
  );
}

test("isTorchCheckpoint() knows a file that is none", () => {
  const source = openFileSource(import.meta.filename);
  expect(isTorchCheckpoint(source)).toBe(false);
  source.close();
});
