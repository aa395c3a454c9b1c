import { expect, test } from "bun:test";
import { Packr } from "msgpackr/pack";
import { decodeControl } from "../../../cluster/wire/decode_control.ts";
import { ProtocolError } from "../../../cluster/wire/frame.ts";
import { LIMITS, scan } from "../../../cluster/wire/scan.ts";
import { hostileDocuments } from "./hostile_documents.ts";

const packr = new Packr({ useRecords: false });
const packed = (document: unknown): Uint8Array => Uint8Array.from(packr.pack(document));

/** Arrays in each other within a map: `levels` of both together. */
function deep(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 1; level < levels; level++) value = [value];
  return { value };
}

const named = (count: number): Record<string, number> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`key ${i}`, i]));

test("scan() passes plain data, and msgpackr reads it back", () => {
  const documents = [
    {},
    { a: 1, b: -1, c: 0.5, d: 2 ** 40, e: -(2 ** 40), f: true, g: false, h: null, i: "é漢😀" },
    { numbers: [0, 127, 128, 255, 256, 65535, 65536, 2 ** 32 - 1, -32, -33, -128, -129, -32769] },
    { limits: [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 1e300, Infinity, -Infinity] },
    { lists: [[], {}, [{}], new Array(70_000 - 60_000).fill(0)], text: "x".repeat(300) },
    { bytes: Uint8Array.of(1, 2, 3), more: new Uint8Array(70_000) },
    ...[deep(LIMITS.depth), named(LIMITS.keys), { text: "y".repeat(LIMITS.stringBytes) }],
    { same: { a: 1 }, names: { a: 1, b: { a: 1 } }, a: [{ a: 1 }, { a: 1 }] },
  ];
  for (const document of documents) expect(decodeControl(packed(document))).toEqual(document);
});

test("scan() passes the forms of numbers that others write", () => {
  const forms = Uint8Array.of(
    ...[0x81, 0xa1, 0x61, 0x95],
    ...[0xca, 0x3f, 0x80, 0, 0], // 1 as a float of 32 bits
    ...[0xcf, 0, 0x1f, 255, 255, 255, 255, 255, 255], // 2^53 - 1
    ...[0xd3, 255, 255, 255, 255, 255, 255, 255, 254], // -2
    ...[0xd2, 255, 255, 255, 255], // -1
    ...[0xce, 0, 0, 0, 5],
  );
  expect(decodeControl(forms)).toEqual({ a: [1, 2 ** 53 - 1, -2, -1, 5] });
});

test("scan() refuses what lies beyond its limits", () => {
  for (const document of [
    ...[deep(LIMITS.depth + 1), named(LIMITS.keys + 1)],
    ...[{ text: "y".repeat(LIMITS.stringBytes + 1) }, { a: new Array(LIMITS.nodes).fill(0) }],
  ]) {
    expect(() => scan(packed(document))).toThrow(ProtocolError);
  }
});

for (const [name, bytes] of Object.entries(hostileDocuments)) {
  test(`scan() refuses ${name}`, () => {
    const before = performance.now();
    expect(() => scan(bytes)).toThrow(ProtocolError);
    expect(performance.now() - before).toBeLessThan(100);
  });
}

test("scan() holds no trace of a document that it refused", () => {
  expect(() => scan(hostileDocuments["a key twice"])).toThrow("has a key twice");
  scan(packed({ ab: { ab: 1 } }));
});
