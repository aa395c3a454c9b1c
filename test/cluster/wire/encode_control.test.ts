import { expect, test } from "bun:test";
import { Unpackr } from "msgpackr/unpack";
import { decodeControl } from "../../../cluster/wire/decode_control.ts";
import { encodeControl } from "../../../cluster/wire/encode_control.ts";
import { MAX_CONTROL } from "../../../cluster/wire/frame.ts";

const unpackr = new Unpackr({ useRecords: false });

test("encodeControl() writes one frame whose bytes from 8 on are a MessagePack document", () => {
  const shared = new Uint8Array(new SharedArrayBuffer(8), 2, 3);
  shared.set([7, 8, 9]);
  const document = {
    ...{ text: "läuft", number: 70_000, half: 0.5, yes: true, none: null },
    ...{ list: [1, [2, { three: 3 }]], bytes: Uint8Array.of(0, 255), node: Buffer.from("ab") },
    shared,
  };
  const frame = encodeControl(document);
  const view = new DataView(frame.buffer, frame.byteOffset);
  expect(view.getUint32(0)).toBe(frame.length - 4);
  expect(Array.from(frame.subarray(4, 8))).toEqual([0, 0, 2, 0]);
  const want = { ...document, shared: Uint8Array.of(7, 8, 9), node: Uint8Array.of(97, 98) };
  expect(decodeControl(frame.slice(8))).toEqual(want);
  const { bytes, ...rest } = unpackr.unpack(frame.slice(8));
  expect(rest.list).toEqual(document.list);
  expect(Array.from(bytes)).toEqual([0, 255]);
});

test("encodeControl() takes objects without a prototype, as zod and JSON may make them", () => {
  const bare: Record<string, unknown> = Object.create(null);
  bare.a = 1;
  expect(decodeControl(encodeControl({ bare }).slice(8))).toEqual({ bare: { a: 1 } });
});

class Point {
  x = 1;
}

test("encodeControl() refuses what is no plain data, by its place", () => {
  const refused: readonly unknown[] = [
    ...[new Float32Array(4), new Int8Array(4), new Uint16Array(4), new Uint8ClampedArray(4)],
    ...[new ArrayBuffer(4), new DataView(new ArrayBuffer(4)), new Date(0), /a/, new Error("a")],
    ...[new Map(), new Set(), new Point(), Object.create({ a: 1 }), undefined, 1n, Symbol("a")],
    ...[() => 1, [1, undefined], new Array(2), { toJSON: () => 1 }],
  ];
  for (const value of refused) {
    expect(() => encodeControl({ outer: [value] })).toThrow(TypeError);
    expect(() => encodeControl({ outer: [value] })).toThrow(/^document\.outer\.0/);
  }
  expect(() => encodeControl({ a: new Float32Array(4) })).toThrow(
    "document.a is no plain data: Float32Array",
  );
});

test("encodeControl() refuses what the peer's scan would refuse", () => {
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  const refused: readonly Record<string, unknown>[] = [
    ...[circle, { ["__proto__"]: 1 }, { constructor: 1 }, { schlüssel: 1 }],
    ...[{ text: "x".repeat(70_000) }, { list: new Array(70_000).fill(0) }],
    { bytes: new Uint8Array(MAX_CONTROL) },
  ];
  for (const document of refused) expect(() => encodeControl(document)).toThrow(RangeError);
});

test("encodeControl() fills a frame to the last byte of the limit", () => {
  const overhead = encodeControl({ bytes: new Uint8Array(65536) }).length - 65536;
  const room = MAX_CONTROL - overhead;
  expect(encodeControl({ bytes: new Uint8Array(room) }).length).toBe(MAX_CONTROL);
  expect(() => encodeControl({ bytes: new Uint8Array(room + 1) })).toThrow(RangeError);
});
