import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { deflateSync, zipSync } from "fflate";
import { UserError } from "../../src/config/user_error.ts";
import { bytesSource } from "../../src/interop/byte_source.ts";
import { toNumbers } from "../../src/interop/stored_tensor.ts";
import {
  PickleDict,
  type PickleRecord,
  type PickleValue,
  TorchTensor,
} from "../../src/interop/torch_checkpoint/pickle_values.ts";
import { openTorchCheckpoint } from "../../src/interop/torch_checkpoint/torch_checkpoint.ts";
import { goldenPath, goldenTest } from "../support/golden.ts";

// Pickles are written here by hand, as text of Python's opcodes.
const latin1 = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const int32 = (value: number) =>
  String.fromCharCode(value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >> 24) & 255);
const unicode = (text: string) => `X${int32(text.length)}${text}`;
const tuple = (...items: string[]) => `(${items.join("")}t`;
const int = (value: number) => `J${int32(value)}`;

const storage = (key: string, elements: number, type = "FloatStorage") =>
  `${tuple(unicode("storage"), `ctorch\n${type}\n`, unicode(key), unicode("cpu"), int(elements))}Q`;

function tensor(storage: string, offset: number, shape: number[], strides: number[]): string {
  const values = tuple(
    storage,
    int(offset),
    tuple(...shape.map(int)),
    tuple(...strides.map(int)),
    "\x89",
    ")",
  );
  return `ctorch._utils\n_rebuild_tensor_v2\n${values}R`;
}

/** A zip file of torch.save around a pickle, with one storage "0" of the floats 0, 1, 2, .... */
function file(pickle: string, floats = 6, level: 0 | 9 = 0): Uint8Array {
  const data = new Uint8Array(Float32Array.from({ length: floats }, (_, i) => i).buffer);
  return zipSync(
    { "archive/data.pkl": latin1(`\x80\x02${pickle}.`), "archive/data/0": data },
    { level },
  );
}

const load = (pickle: string) => openTorchCheckpoint(bytesSource(file(pickle), "m.pt"));

function problemOf(pickle: string): string {
  try {
    load(pickle);
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
  return "read";
}

test("openTorchCheckpoint() refuses every class that is not known, by name", () => {
  for (const [module, name] of [
    ["os", "system"],
    ["builtins", "eval"],
    ["torch._utils", "_rebuild_device_tensor_from_numpy"],
    ["constructor", "prototype"],
  ] as const) {
    const problem = `"${module}.${name}", which is not read`;
    expect(problemOf(`c${module}\n${name}\n${tuple(unicode("ls"))}R`)).toContain(problem);
    expect(problemOf(`${unicode(module)}${unicode(name)}\x93`)).toContain(problem);
  }
});

test("openTorchCheckpoint() refuses disordered pickles with one clear error", () => {
  const memo = `${int(1)}q\x00`;
  for (const [pickle, problem] of [
    ["", "a value is missing"],
    ["NN", "values are left over"],
    ["(N", "values are left over"],
    ["t", "closed that was not opened"],
    ["\xff", "opcode 0xff is not read"],
    ["i", "opcode 0x69 is not read"],
    ["h\x07", "value 7 is used before it is made"],
    [`${memo}0j${int32(-1)}`, "value 4294967295 is used"],
    ["\x80\x09N", "protocol 9"],
    ["\x80\x00N", "protocol 0"],
    [`X${int32(-1)}`, "4294967295 bytes are announced"],
    [`\x8d${"\xff".repeat(8)}`, "bytes are announced"],
    [`B${int32(0x7fffffff)}`, "2147483647 bytes are announced"],
    [`\x8b${int32(-5)}`, "an integer is too long"],
    [`\x8b${int32(0x7fffffff)}`, "an integer is too long"],
    [`X${int32(1)}\xff`, "not UTF-8"],
    ["c", "bytes are announced"],
    [`c${"a".repeat(300)}`, "longer than 256 bytes"],
    ["NNa", "no list"],
    [")Na", "no list"],
    ["}(Nu", "no dict"],
    ["}]Ns", "a key is neither"],
    ["NNNs", "no dict"],
    ["N)R", "calls what is no class"],
    ["ctorch\nFloatStorage\n)R", "torch FloatStorage is called"],
    ["cargparse\nNamespace\nNR", "without a tuple"],
    [`cargparse\nNamespace\n${tuple(int(1))}\x81`, "called with arguments"],
    ["cargparse\nNamespace\n)\x81Nb", "are no dict"],
    ["}}b", "has none"],
    ["NQ", "no storage"],
    [`${tuple(unicode("storage"), "N", "N", "N", "N")}Q`, "no known type"],
    [storage("0", -1), "no key or no size"],
    [tensor(storage("0", 6), 0, [7], [1]), "reaches beyond its storage"],
    [tensor(storage("0", 6), 5, [2], [1]), "reaches beyond its storage"],
    [tensor(storage("0", 6), 0, [2, 2], [9, 1]), "reaches beyond its storage"],
    [tensor(storage("0", 6), -1, [2], [1]), "no whole numbers"],
    [tensor(storage("0", 6), 0, [2], [-1]), "no whole numbers"],
    [tensor(storage("0", 6), 0, [2], [1, 1]), "has shape [2] and strides [1,1]"],
    [tensor("N", 0, [2], [1]), "no storage"],
    ["ccollections\nOrderedDict\n]Na\x85R", "no pair"],
  ] as const) {
    expect(problemOf(pickle)).toContain(problem);
    expect(problemOf(pickle)).toMatch(/^m\.pt: /);
  }
});

test("openTorchCheckpoint() refuses values that hold themselves, nest or unfold without end", () => {
  expect(problemOf("]q\x00h\x00a")).toContain("holds itself");
  expect(problemOf("}q\x00Nh\x00s")).toContain("holds itself");
  expect(problemOf(`${")"}${"\x85".repeat(100_000)}`)).toContain("nested deeper");
  expect(problemOf(`]${"q\x000]h\x00ah\x00a".repeat(60)}`)).toContain("unfold without end");
});

test("openTorchCheckpoint() reads strided, offset and shared tensors", () => {
  const shared = `${storage("0", 6)}q\x00`;
  const again = "h\x00";
  const dict = `}(${[
    unicode("t") + tensor(shared, 0, [3, 2], [1, 3]),
    unicode("o") + tensor(again, 4, [2], [1]),
    unicode("s") + tensor(again, 5, [], []),
    unicode("x") + tensor(again, 1, [2, 3], [0, 2]),
    unicode("e") + tensor(again, 0, [0, 4], [4, 1]),
    unicode("v") + tensor(again, 0, [2, 1, 3], [3, 99, 1]),
  ].join("")}u`;
  const checkpoint = load(dict);
  const read = (name: string) => {
    const value = (checkpoint.root as PickleDict).get(name);
    if (!(value instanceof TorchTensor)) throw new Error(`${name} is no tensor`);
    return toNumbers(checkpoint.read(value));
  };
  expect(read("t")).toEqual([0, 3, 1, 4, 2, 5]);
  expect(read("o")).toEqual([4, 5]);
  expect(read("s")).toEqual([5]);
  expect(read("x")).toEqual([1, 3, 5, 1, 3, 5]);
  expect(read("e")).toEqual([]);
  expect(read("v")).toEqual([0, 1, 2, 3, 4, 5]);
});

test("openTorchCheckpoint() refuses a tensor whose storage is absent, short or endless", () => {
  const read = (pickle: string) => {
    const checkpoint = load(pickle);
    return checkpoint.read(checkpoint.root as TorchTensor);
  };
  expect(() => read(tensor(storage("9", 2), 0, [2], [1]))).toThrow("no entry archive/data/9");
  expect(() => read(tensor(storage("0", 99), 0, [99], [1]))).toThrow("has 24 bytes");
  const endless = tensor(storage("0", 6), 0, [1 << 20, 1 << 20], [0, 0]);
  expect(() => read(endless)).toThrow("larger than its storage");
});

test("openTorchCheckpoint() reads protocol 4, sets and namespaces", () => {
  const text = (value: string) => `\x8c${String.fromCharCode(value.length)}${value}`;
  const body = `}\x94(${text("a")}\x94\x8f\x94(K\x01K\x02\x90${text("n")}${text("argparse")}${text("Namespace")}\x93)\x81}${text("lr")}G?\xe0\0\0\0\0\0\0sbu`;
  const pickle = `\x80\x04\x95${String.fromCharCode(body.length + 1)}${"\0".repeat(7)}${body}`;
  const root = load(pickle).root as PickleDict;
  expect([...(root.get("a") as Set<number>)]).toEqual([1, 2]);
  const namespace = root.get("n") as PickleRecord;
  expect(namespace.className).toBe("argparse.Namespace");
  expect(namespace.fields.get("lr")).toBe(0.5);
});

test("openTorchCheckpoint() reads integers of every width", () => {
  const pickle = `](${["K\xff", "M\xff\xff", int(-2), "\x8a\x00", "\x8a\x01\xff", `\x8a\x09${"\0".repeat(8)}\x01`].join("")}e`;
  expect(load(pickle).root as PickleValue).toEqual([255, 65535, -2, 0, -1, 2n ** 64n]);
});

test("openTorchCheckpoint() reads a deflated archive and refuses a bomb", () => {
  const packed = file(tensor(storage("0", 600), 0, [600], [1]), 600, 9);
  const checkpoint = openTorchCheckpoint(bytesSource(packed, "m.pt"));
  expect(toNumbers(checkpoint.read(checkpoint.root as TorchTensor)).at(-1)).toBe(599);

  const bomb = file("N", 6, 9);
  const view = new DataView(bomb.buffer, bomb.byteOffset, bomb.byteLength);
  const directory = view.getUint32(bomb.length - 6, true);
  view.setUint32(directory + 24, 0x7fffffff, true);
  expect(() => openTorchCheckpoint(bytesSource(bomb, "m.pt"))).toThrow("claims 2147483647 bytes");
  expect(deflateSync(new Uint8Array(1e6)).length).toBeGreaterThan(1e6 / 1032);
});

test("openTorchCheckpoint() refuses a big-endian file and archives of something else", () => {
  const entries = { "a/data.pkl": latin1("\x80\x02N."), "a/byteorder": latin1("big") };
  const open = (bytes: Uint8Array) => () => openTorchCheckpoint(bytesSource(bytes, "m.pt"));
  expect(open(zipSync(entries))).toThrow('byte order is "big"');
  expect(open(zipSync({ "word/document.xml": latin1("<w/>") }))).toThrow("0 entries */data.pkl");
  expect(open(latin1("no checkpoint at all"))).toThrow("does not start as a file of torch.save");
  expect(open(new Uint8Array(0))).toThrow("does not start as a file of torch.save");
});

/** Opens the file and reads every tensor of its model; only a UserError may come of damage. */
function readAll(bytes: Uint8Array): "read" | "refused" {
  try {
    const checkpoint = openTorchCheckpoint(bytesSource(bytes, "m.pt"));
    const visit = (value: PickleValue): void => {
      if (value instanceof TorchTensor) checkpoint.read(value);
      else if (value instanceof PickleDict) for (const item of value.values()) visit(item);
      else if (Array.isArray(value)) for (const item of value) visit(item);
    };
    visit(checkpoint.root);
    return "read";
  } catch (error) {
    if (error instanceof UserError) return "refused";
    throw error;
  }
}

for (const name of ["lstm_plain.pt", "legacy_keys.pt"]) {
  goldenTest(`openTorchCheckpoint() survives damage to ${name}`, `checkpoints/${name}`, () => {
    const good = new Uint8Array(readFileSync(goldenPath(`checkpoints/${name}`)));
    expect(readAll(good)).toBe("read");
    // Most damage goes where the structure is: the pickles in front, the zip directory at the end.
    const place = fc.oneof(
      fc.integer({ min: 0, max: 22_000 }),
      fc.nat(good.length - 1),
      fc.integer({ min: good.length - 4_000, max: good.length - 1 }),
    );
    const flips = fc.array(fc.tuple(place, fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(flips, fc.option(fc.nat(good.length), { freq: 4 }), (changes, length) => {
        const bytes = good.slice(0, length ?? good.length);
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        readAll(bytes);
      }),
      { numRuns: 400, seed: 7 },
    );
  });
}

goldenTest("a flipped bit in the weights is noticed", "checkpoints/lstm_plain.pt", () => {
  const bytes = new Uint8Array(readFileSync(goldenPath("checkpoints/lstm_plain.pt")));
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 16;
  expect(readAll(bytes)).toBe("refused");
});
