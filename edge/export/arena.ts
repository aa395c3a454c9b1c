// All tensors of a bundle one behind the other, as they will lie in memory.
import { ALIGNMENT, type Manifest, type TensorEntry } from "../runtime/manifest.ts";
import type { ModelTensor } from "./model_tensors.ts";
import { quantiseInt4, quantiseInt8 } from "./quantise.ts";

export type Quantize = Manifest["quantize"];

export interface Arena {
  readonly tensors: readonly TensorEntry[];
  readonly bytes: Uint8Array<ArrayBuffer>;
}

type Part = Pick<TensorEntry, "name" | "dtype" | "shape"> & { readonly bytes: Uint8Array };

/** Quantises the matrices and lays everything out; tied tensors are stored once. */
export function layOut(tensors: readonly ModelTensor[], quantize: Quantize): Arena {
  const entries: TensorEntry[] = [];
  const parts: { offset: number; bytes: Uint8Array }[] = [];
  const known = new Map<Float32Array, { first: string; entries: TensorEntry[] }>();
  let end = 0;
  for (const tensor of tensors) {
    const { name } = tensor;
    const twin = known.get(tensor.data);
    if (twin) {
      const alias = (entry: TensorEntry) => entry.name.replace(twin.first, name);
      entries.push(...twin.entries.map((entry) => ({ ...entry, name: alias(entry) })));
      continue;
    }
    const own: TensorEntry[] = [];
    for (const { bytes, ...entry } of partsOf(tensor, quantize)) {
      const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
      own.push({ ...entry, shape: [...entry.shape], offset, bytes: bytes.length });
      parts.push({ offset, bytes });
      end = offset + bytes.length;
    }
    known.set(tensor.data, { first: name, entries: own });
    entries.push(...own);
  }
  const bytes = new Uint8Array(Math.ceil(end / ALIGNMENT) * ALIGNMENT);
  for (const part of parts) bytes.set(part.bytes, part.offset);
  return { tensors: entries, bytes };
}

function partsOf({ name, shape, data, isMatrix }: ModelTensor, quantize: Quantize): Part[] {
  const floats = (named: string, of: Float32Array, size: readonly number[]): Part => ({
    name: named,
    dtype: "f32",
    shape: [...size],
    bytes: new Uint8Array(of.buffer, of.byteOffset, of.byteLength),
  });
  if (!isMatrix || quantize === "none") return [floats(name, data, shape)];
  const [rows, columns] = shape;
  const whole = { name, shape: [rows, columns] };
  if (quantize === "int8") {
    const { values, scales } = quantiseInt8(data, rows, columns);
    const bytes = new Uint8Array(values.buffer);
    return [{ ...whole, dtype: "i8", bytes }, floats(`${name}_scale`, scales, [rows])];
  }
  const { nibbles, steps, scales } = quantiseInt4(data, rows, columns);
  const blocks = steps.length / rows;
  return [
    { ...whole, dtype: "i4", bytes: nibbles },
    { name: `${name}_step`, dtype: "u8", shape: [rows, blocks], bytes: steps },
    floats(`${name}_scale`, scales, [rows]),
  ];
}
