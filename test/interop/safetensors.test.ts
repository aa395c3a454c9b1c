import { expect, test } from "bun:test";
import fc from "fast-check";
import { UserError } from "../../src/config/user_error.ts";
import { bytesSource } from "../../src/interop/byte_source.ts";
import {
  openSafetensors,
  readSafetensors,
  type SafetensorsEntry,
  writeSafetensors,
} from "../../src/interop/safetensors.ts";
import {
  DTYPE_BYTES,
  elementCount,
  isStoredDtype,
  toFloat32,
} from "../../src/interop/stored_tensor.ts";
import { goldenPath, goldenTest } from "../support/golden.ts";

async function encode(
  entries: SafetensorsEntry[],
  metadata: Record<string, string> = {},
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  await writeSafetensors(
    { write: async (bytes) => void parts.push(bytes.slice()) },
    entries,
    metadata,
  );
  return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
}

/** A file with the given header text and `dataBytes` zeros. */
function file(header: unknown, dataBytes: number, cut = 0): Uint8Array {
  const json = new TextEncoder().encode(
    typeof header === "string" ? header : JSON.stringify(header),
  );
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes.subarray(0, bytes.length - cut);
}

const problemOf = (bytes: Uint8Array): string => {
  try {
    readSafetensors(bytesSource(bytes, "w.safetensors"));
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
  return "read";
};

test("writeSafetensors() and readSafetensors() give back every dtype, shape and name", async () => {
  const dtypes = Object.keys(DTYPE_BYTES).filter(isStoredDtype);
  const tensor = fc
    .record({ dtype: fc.constantFrom(...dtypes), shape: fc.array(fc.nat(3), { maxLength: 4 }) })
    .chain(({ dtype, shape }) => {
      const size = elementCount(shape) * DTYPE_BYTES[dtype];
      return fc.record({
        dtype: fc.constant(dtype),
        shape: fc.constant(shape),
        bytes: fc.uint8Array({ minLength: size, maxLength: size }),
      });
    });
  const names = fc.string().filter((name) => name !== "__metadata__" && name !== "__proto__");
  const dictionary = fc.array(fc.tuple(names, tensor), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(dictionary, fc.string({ unit: "grapheme" }), async (pairs, note) => {
      const tensors = new Map(pairs);
      const entries = [...tensors].map(([name, t]) => ({ name, ...t, data: () => t.bytes }));
      const bytes = await encode(entries, { note });
      const back = readSafetensors(bytesSource(bytes, "w"));
      expect(back.metadata).toEqual({ note });
      expect(back.tensors.size).toBe(tensors.size);
      for (const [name, t] of tensors) {
        const read = back.tensors.get(name);
        expect(read?.dtype).toBe(t.dtype);
        expect(read?.shape).toEqual(t.shape);
        expect([...(read?.bytes ?? [])]).toEqual([...t.bytes]);
      }
    }),
  );
});

test("writeSafetensors() starts each tensor at a multiple of its element size", async () => {
  const entry = (name: string, dtype: keyof typeof DTYPE_BYTES): SafetensorsEntry => ({
    name,
    dtype,
    shape: [3],
    data: () => new Uint8Array(3 * DTYPE_BYTES[dtype]),
  });
  const bytes = await encode([entry("1", "U8"), entry("f", "F32"), entry("0", "I64")]);
  const opened = openSafetensors(bytesSource(bytes, "w"));
  expect([...opened.tensors.keys()]).toEqual(["0", "f", "1"]);
  const header = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  for (const { dtype, begin } of opened.tensors.values()) {
    expect((8 + header + begin) % DTYPE_BYTES[dtype]).toBe(0);
  }
});

test("writeSafetensors() refuses a name given twice and data of the wrong size", async () => {
  const entry = { name: "w", dtype: "F32" as const, shape: [2], data: () => new Uint8Array(8) };
  await expect(encode([entry, entry])).rejects.toThrow("w is written twice");
  await expect(encode([{ ...entry, data: () => new Uint8Array(4) }])).rejects.toThrow("given 4");
});

test("readSafetensors() names the file and what is wrong with its header", () => {
  const w = (change: object) => ({
    w: { dtype: "F32", shape: [2], data_offsets: [0, 8], ...change },
  });
  const second = { dtype: "F32", shape: [1], data_offsets: [4, 8] };
  for (const [bytes, problem] of [
    [new Uint8Array(3), "has 3 bytes"],
    [file(w({}), 8, 9), "is cut off"],
    [file(w({}), 7), "is cut off: 7 bytes of data, its tensors need 8"],
    [file(w({}), 9), "9 bytes of data, its tensors need 8"],
    [file({}, 0, 1), "is cut off: header of 2 bytes"],
    [new Uint8Array(64).fill(255), "claims a header of 18446744073709551615 bytes"],
    [file("[1]", 0), "no JSON object"],
    [file("{", 0), "not JSON"],
    [file("null", 0), "no JSON object"],
    [file(w({ dtype: "F8_E4M3" }), 8), 'dtype "F8_E4M3"'],
    [file(w({ dtype: "toString" }), 8), 'dtype "toString"'],
    [file(w({ shape: [-2] }), 8), "shape [-2]"],
    [file(w({ shape: [1.5] }), 8), "shape [1.5]"],
    [file(w({ shape: [2 ** 40, 2 ** 40] }), 8), "needs"],
    [file(w({ shape: 2 }), 8), "shape 2"],
    [file(w({ data_offsets: [0] }), 8), "data_offsets [0]"],
    [file(w({ data_offsets: [8, 0] }), 8), "needs 8 bytes, data_offsets give -8"],
    [file(w({ data_offsets: [4, 12] }), 12), "bytes 0 to 4"],
    [file({ ...w({}), v: second }, 8), "overlaps"],
    [file({ w: 3 }, 8), "no JSON object"],
    [file({ __metadata__: { a: 1 } }, 0), '"a" is not text'],
  ] as const) {
    expect(problemOf(bytes)).toContain(problem);
    expect(problemOf(bytes)).toMatch(/^w\.safetensors: /);
  }
  expect(problemOf(file(w({}), 8))).toBe("read");
});

test("readSafetensors() meets damaged bytes with a UserError and nothing else", async () => {
  const good = await encode([
    { name: "a", dtype: "F32", shape: [2, 2], data: () => new Uint8Array(16) },
    { name: "b", dtype: "U8", shape: [3], data: () => new Uint8Array(3) },
  ]);
  const flips = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1 });
  fc.assert(
    fc.property(flips, fc.nat(good.length), (changes, length) => {
      const bytes = good.slice(0, length);
      for (const [at, value] of changes) if (at < length) bytes[at] = value;
      problemOf(bytes);
    }),
    { numRuns: 500 },
  );
});

test("readSafetensors() names an absent file and a folder", () => {
  expect(() => readSafetensors("/nowhere/w.safetensors")).toThrow("w.safetensors: no such file");
  expect(() => readSafetensors(import.meta.dirname)).toThrow("is a folder");
});

test("toFloat32() widens every dtype exactly", () => {
  const bytes = (data: ArrayBufferView) => new Uint8Array(data.buffer);
  const cases = [
    ["F64", new Float64Array([1.5, -2])],
    ["F32", new Float32Array([1.5, -2])],
    ["F16", new Uint16Array([0x3e00, 0xc000])],
    ["BF16", new Uint16Array([0x3fc0, 0xc000])],
  ] as const;
  for (const [dtype, data] of cases) {
    expect([...toFloat32({ dtype, shape: [2], bytes: bytes(data) })]).toEqual([1.5, -2]);
  }
  const integers = [new BigInt64Array([-3n, 7n]), new Int32Array([-3, 7]), new Int8Array([-3, 7])];
  for (const [i, dtype] of (["I64", "I32", "I8"] as const).entries()) {
    const data = integers[i] ?? new Int8Array();
    expect([...toFloat32({ dtype, shape: [2], bytes: bytes(data) })]).toEqual([-3, 7]);
  }
  const odd = new Uint8Array(9).subarray(1);
  expect([...toFloat32({ dtype: "F32", shape: [2], bytes: odd })]).toEqual([0, 0]);
});

goldenTest(
  "readSafetensors() reads the files of the reference writer",
  "checkpoints/transformer_a.weights.safetensors",
  () => {
    const { tensors } = readSafetensors(
      goldenPath("checkpoints/transformer_a.weights.safetensors"),
    );
    expect(tensors.get("encoder.embed_tokens.weight")?.shape).toEqual([184, 32]);
    expect(tensors.get("encoder.embed_tokens.weight")?.dtype).toBe("F32");
  },
);
