import { expect, test } from "bun:test";
import fc from "fast-check";
import { crc32 } from "../../src/interop/torch_checkpoint/crc32.ts";

test("crc32() of the check string is the polynomial's check value", () => {
  expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
  expect(crc32(new Uint8Array(0))).toBe(0);
});

test("crc32() is the remainder that dividing bit by bit leaves", () => {
  const bitwise = (bytes: Uint8Array): number => {
    let crc = 0xffffffff;
    for (const byte of bytes) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    }
    return ~crc >>> 0;
  };
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => crc32(bytes) === bitwise(bytes)),
  );
});
