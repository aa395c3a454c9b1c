// The exchange's kernels against what they mean, to the bit.
import { expect, test } from "bun:test";
import { join } from "node:path";
import { int8Bytes, openExchangeKernels } from "../../../cluster/collective/exchange_kernels.ts";
import {
  BLOCK,
  checksum,
  fromBf16,
  fromInt8,
  toBf16,
  toInt8,
} from "../../../kernels/exchange/reference.ts";
import { MAXIMUM_PAGES, PAGE_BYTES } from "../../../kernels/pages.ts";
import { seededRandom } from "../../support/random.ts";
import { startScript } from "../support/script.ts";

const memory = new WebAssembly.Memory({ initial: 128, maximum: 128, shared: true });
const kernels = await openExchangeKernels(memory);
const random = seededRandom(11);

const SPECIAL = [
  ...[0, -0, 1, -1, Infinity, -Infinity, Number.NaN, 2 ** -149, -(2 ** -130), 2 ** -126],
  ...[3.4028234663852886e38, -3.4028234663852886e38, 3.3961775292304601e38, 1e-30, 65504],
];

/** Every small size, block ends and their neighbours, and some by chance. */
const SIZES = [
  ...Array.from({ length: 71 }, (_, n) => n),
  ...[255, 256, 257, 511, 512, 513, 1000, 4097],
  ...Array.from({ length: 12 }, () => random.int(1, 3000)),
];

const normals = (n: number): Float32Array =>
  Float32Array.from({ length: n }, () => random.normal() * 10 ** random.int(-3, 3));

/** Normals with special values in between. */
const mixed = (n: number): Float32Array =>
  normals(n).map((x) => (random.int(0, 3) === 0 ? SPECIAL[random.int(0, SPECIAL.length - 1)] : x));

type Numbers = Float32Array | Uint16Array | Uint8Array;

const bytesOf = (data: Numbers | Int8Array): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** Room in the memory between guards, which `intact` finds untouched. */
class Room {
  private static next = 65536;
  readonly address: number;
  private readonly all: Uint8Array;

  constructor(private readonly bytes: number) {
    // 4-byte aligned, but no more than that.
    this.address = Room.next + 20;
    this.all = new Uint8Array(memory.buffer, Room.next, bytes + 40);
    this.all.fill(0xa5);
    Room.next += (this.all.length + 11) & ~7;
    if (Room.next > 120 * 65536) Room.next = 65536;
  }

  static of(data: Numbers): Room {
    const room = new Room(data.byteLength);
    room.all.set(bytesOf(data), 20);
    return room;
  }

  read(): Uint8Array {
    const guards = [...this.all.subarray(0, 20), ...this.all.subarray(20 + this.bytes)];
    expect(guards.every((byte) => byte === 0xa5)).toBe(true);
    return this.all.slice(20, 20 + this.bytes);
  }

  floats(): Float32Array {
    return new Float32Array(this.read().buffer);
  }
}

/** Equal to the bit, but that a NaN may have any. */
function expectSame(got: Float32Array, want: Float32Array): void {
  expect(got.length).toBe(want.length);
  for (let i = 0; i < want.length; i++) {
    if (!Object.is(got[i], want[i])) throw new Error(`element ${i} is ${got[i]}, not ${want[i]}`);
  }
}

test("openExchangeKernels() writes nothing into the memory that it is given", async () => {
  const given = new WebAssembly.Memory({ initial: 16, maximum: 16, shared: true });
  const bytes = new Uint8Array(given.buffer).fill(0xa5);
  await openExchangeKernels(given);
  expect(bytes.every((byte) => byte === 0xa5)).toBe(true);
});

test("addF32() is right at every size, and write nothing beside", () => {
  for (const n of SIZES) {
    for (const make of [normals, mixed]) {
      const [a, b] = [make(n), make(n)];
      const [dst, src] = [Room.of(a), Room.of(b)];
      kernels.addF32(dst.address, src.address, n);
      const want = a.map((x, i) => x + b[i]);
      expectSame(dst.floats(), want);
      expectSame(src.floats(), b);
    }
  }
});

test("toBf16() rounds every upper half as its reference, below, at and above the tie", () => {
  const lower = [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff];
  const n = 65536;
  for (const low of lower) {
    const patterns = Uint32Array.from({ length: n }, (_, high) => ((high << 16) | low) >>> 0);
    const src = Room.of(bytesOf(new Uint8Array(patterns.buffer)));
    const dst = new Room(2 * n);
    kernels.toBf16(dst.address, src.address, n);
    const got = new Uint16Array(dst.read().buffer);
    for (let i = 0; i < n; i++) {
      const want = toBf16(patterns[i]);
      if (got[i] !== want) throw new Error(`${patterns[i].toString(16)}: ${got[i]}, not ${want}`);
    }
  }
});

test("fromBf16() widens all 65,536, and toBf16() brings each back", () => {
  const n = 65536;
  const halves = Uint16Array.from({ length: n }, (_, i) => i);
  const [src, wide, back] = [Room.of(halves), new Room(4 * n), new Room(2 * n)];
  kernels.fromBf16(wide.address, src.address, n);
  expectSame(wide.floats(), Float32Array.from(halves, fromBf16));
  kernels.toBf16(back.address, wide.address, n);
  const got = new Uint16Array(back.read().buffer);
  const quiet = halves.map((half) => (Number.isNaN(fromBf16(half)) ? half | 0x40 : half));
  expect(got.every((half, i) => half === quiet[i])).toBe(true);
});

test("the bf16 kernels are right at every size, and write nothing beside", () => {
  for (const n of SIZES) {
    const [x, sum] = [mixed(n), mixed(n)];
    const halves = Uint16Array.from(new Uint32Array(x.buffer), toBf16);
    const [src, narrow, wide, dst] = [Room.of(x), new Room(2 * n), new Room(4 * n), Room.of(sum)];
    kernels.toBf16(narrow.address, src.address, n);
    expect(Array.from(new Uint16Array(narrow.read().buffer))).toEqual(Array.from(halves));
    kernels.fromBf16(wide.address, narrow.address, n);
    expectSame(wide.floats(), Float32Array.from(halves, fromBf16));
    kernels.addBf16(dst.address, narrow.address, n);
    expectSame(
      dst.floats(),
      sum.map((value, i) => value + fromBf16(halves[i])),
    );
  }
});

/** A payload's bytes. */
function payload({ scales, integers }: ReturnType<typeof toInt8>): number[] {
  return [...bytesOf(scales), ...bytesOf(integers)];
}

test("the int8 kernels are right at every size, with a residual and without, and write nothing beside", () => {
  for (const n of SIZES) {
    const [x, left, sum] = [normals(n), normals(n), normals(n)];
    const want = toInt8(x, undefined);
    const [src, packed, plain] = [Room.of(x), new Room(int8Bytes(n)), new Room(4 * n)];
    kernels.toInt8(packed.address, src.address, 0, n);
    expect(Array.from(packed.read())).toEqual(payload(want));
    kernels.fromInt8(plain.address, packed.address, n);
    expectSame(plain.floats(), fromInt8(want));
    const dst = Room.of(sum);
    kernels.addInt8(dst.address, packed.address, n);
    const decoded = fromInt8(want);
    expectSame(
      dst.floats(),
      sum.map((value, i) => value + decoded[i]),
    );
    const [fed, residual] = [new Room(int8Bytes(n)), Room.of(left)];
    kernels.toInt8(fed.address, src.address, residual.address, n);
    expect(Array.from(fed.read())).toEqual(payload(toInt8(x, left)));
    expectSame(residual.floats(), left);
    expectSame(src.floats(), x);
  }
});

/** toInt8() once, with zeros for a residual. */
function quantised(x: Float32Array): { decoded: Float32Array; residual: Float32Array } {
  const n = x.length;
  const [packed, residual] = [new Room(int8Bytes(n)), Room.of(new Float32Array(n))];
  kernels.toInt8(packed.address, Room.of(x).address, residual.address, n);
  const decoded = new Room(4 * n);
  kernels.fromInt8(decoded.address, packed.address, n);
  return { decoded: decoded.floats(), residual: residual.floats() };
}

test("toInt8() uses all of -127 to 127, and misses half a step at most", () => {
  const x = Float32Array.from({ length: BLOCK }, (_, i) => (i - 127.5) / 10);
  const { decoded, residual } = quantised(x);
  const scale = Math.fround(12.8 - 0.05) / 127;
  expect(Math.max(...decoded)).toBeCloseTo(127 * scale, 5);
  expect(Math.min(...decoded)).toBeCloseTo(-127 * scale, 5);
  expect(Math.max(...residual.map(Math.abs))).toBeLessThanOrEqual(0.5001 * scale);
});

test("toInt8() lets a receiver see what is not finite, and keeps the residual from before", () => {
  for (const value of [Number.NaN, Infinity, -Infinity, 3.4028234663852886e38]) {
    for (const at of [0, 130, 255]) {
      const x = normals(2 * BLOCK + 3);
      x[BLOCK + at] = value;
      const left = normals(x.length);
      const [packed, residual] = [new Room(int8Bytes(x.length)), Room.of(left)];
      kernels.toInt8(packed.address, Room.of(x).address, residual.address, x.length);
      const decoded = new Room(4 * x.length);
      kernels.fromInt8(decoded.address, packed.address, x.length);
      const [got, after] = [decoded.floats(), residual.floats()];
      expect(got.subarray(BLOCK, 2 * BLOCK).every(Number.isNaN)).toBe(true);
      expect(got.subarray(0, BLOCK).every(Number.isFinite)).toBe(true);
      expect(got.subarray(2 * BLOCK).every(Number.isFinite)).toBe(true);
      expectSame(after.subarray(BLOCK, 2 * BLOCK), left.subarray(BLOCK, 2 * BLOCK));
    }
  }
});

test("toInt8() writes zeros and numbers near zero as zeros, and remembers them", () => {
  for (const value of [0, -0, 2 ** -149, 1e-38, 2 ** -101]) {
    const x = new Float32Array(300).fill(value);
    const { decoded, residual } = quantised(x);
    expect(decoded.every((y) => y === 0)).toBe(true);
    // Added to the zeros from before: -0 is 0 then.
    expectSame(
      residual,
      x.map((each) => each + 0),
    );
  }
  // From 2^-100 on they are scaled like others.
  const { decoded } = quantised(new Float32Array(8).fill(2 ** -100));
  expect(Math.abs(decoded[0] / 2 ** -100 - 1)).toBeLessThan(1e-6);
});

test("with error feedback, all that was sent and what is left add up to all that was given", () => {
  const [n, updates] = [1000, 50];
  const given = new Float64Array(n);
  const sent = new Float64Array(n);
  const residual = Room.of(new Float32Array(n));
  const [packed, decoded] = [new Room(int8Bytes(n)), new Room(4 * n)];
  for (let update = 0; update < updates; update++) {
    const x = Float32Array.from({ length: n }, () => random.normal());
    kernels.toInt8(packed.address, Room.of(x).address, residual.address, n);
    kernels.fromInt8(decoded.address, packed.address, n);
    for (const [i, y] of decoded.floats().entries()) {
      given[i] += x[i];
      sent[i] += y;
    }
  }
  const left = residual.floats();
  for (let i = 0; i < n; i++) {
    expect(Math.abs(given[i] - sent[i] - left[i])).toBeLessThan(updates * 2 ** -22);
  }
});

test("checksum() is its reference at every size and any address", () => {
  for (const bytes of [...SIZES, 64 * 50, 64 * 50 + 63]) {
    for (const seed of [0, 1, 0xfedcba98]) {
      const data = Uint8Array.from({ length: bytes }, () => random.int(0, 255));
      const { address } = Room.of(data);
      expect(kernels.checksum(address, bytes, seed)).toBe(checksum(data, seed));
    }
  }
  const data = Uint8Array.from({ length: 200 }, () => random.int(0, 255));
  const { address } = Room.of(data);
  for (let offset = 1; offset < 4; offset++) {
    const part = data.slice(offset);
    expect(kernels.checksum(address + offset, part.length, 5)).toBe(checksum(part, 5));
  }
});

test("checksum() never misses a bit, zeros at the end, another seed, or an exchange of blocks", () => {
  for (const bytes of [1, 4, 7, 63, 64, 150, 512]) {
    const data = Uint8Array.from({ length: bytes }, () => random.int(0, 255));
    const { address } = Room.of(data);
    const live = new Uint8Array(memory.buffer, address, bytes);
    const whole = kernels.checksum(address, bytes, 0);
    const seen = new Set([whole]);
    for (let bit = 0; bit < 8 * bytes; bit++) {
      live[bit >> 3] ^= 1 << (bit & 7);
      const changed = kernels.checksum(address, bytes, 0);
      expect(changed).not.toBe(whole);
      seen.add(changed);
      live[bit >> 3] ^= 1 << (bit & 7);
    }
    expect(seen.size).toBe(8 * bytes + 1);
    expect(kernels.checksum(address, bytes, 1)).not.toBe(whole);
  }
  const zeros = new Room(200).address;
  new Uint8Array(memory.buffer, zeros, 200).fill(0);
  const sums = Array.from({ length: 201 }, (_, bytes) => kernels.checksum(zeros, bytes, 0));
  expect(new Set(sums).size).toBe(201);
  for (const size of [4, 64, 128]) {
    const [a, b] = [0, 1].map(() => Uint8Array.from({ length: size }, () => random.int(0, 255)));
    const sum = (...parts: readonly Uint8Array[]): number =>
      kernels.checksum(
        Room.of(Uint8Array.from(parts.flatMap((part) => [...part]))).address,
        2 * size,
        0,
      );
    expect(sum(a, b)).not.toBe(sum(b, a));
  }
});

test("the kernels reach all of 4 GiB, to the last byte", async () => {
  const script = startScript(join(import.meta.dirname, "high_addresses.ts"), []);
  const { code, output } = await script.ended;
  expect(code).toBe(0);
  const found: unknown = JSON.parse(output);
  const end = MAXIMUM_PAGES * PAGE_BYTES;
  expect(found).toEqual(
    [end - 4 * 37, 2 ** 31 - 12].map((address) => ({
      address,
      sums: new Array<number>(37).fill(2.5),
      checksum: checksum(new Uint8Array(new Float32Array(37).fill(2.5).buffer), 9),
    })),
  );
});
