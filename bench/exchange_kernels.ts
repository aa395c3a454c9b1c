// GB/s of the kernels that sum, convert and check gradients, on one thread, beside a copy of the same
// bytes. A gigabyte is one of f32 elements (of bytes for the checksum), whatever the kernel moves.
//
//   bun bench/exchange_kernels.ts [--kibibytes 256,4096] [--milliseconds 400]
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { int8Bytes, openExchangeKernels } from "../cluster/collective/exchange_kernels.ts";
import { MAXIMUM_PAGES, PAGE_BYTES } from "../kernels/pages.ts";
import { seededRandom } from "../test/support/random.ts";
import { median } from "./support/statistics.ts";

const { values } = parseArgs({
  options: {
    kibibytes: { type: "string", default: "256,4096" },
    milliseconds: { type: "string", default: "400" },
  },
});
const sizes = values.kibibytes.split(",").map((size) => 1024 * Number(size));
const milliseconds = Number(values.milliseconds);

const largest = Math.max(...sizes);
const memory = new WebAssembly.Memory({
  initial: 1 + 4 * Math.ceil((2 * largest) / PAGE_BYTES),
  maximum: MAXIMUM_PAGES,
  shared: true,
});
const kernels = await openExchangeKernels(memory);
const [dst, src, residual, packed] = [0, 1, 2, 3].map((i) => PAGE_BYTES + 2 * i * largest);

const random = seededRandom(1);
const floats = (address: number): Float32Array =>
  new Float32Array(memory.buffer, address, largest / 4);
for (const address of [dst, src]) {
  const all = floats(address);
  for (let i = 0; i < all.length; i++) all[i] = random.normal();
}

/** GB/s, median and best, over runs of about a millisecond. */
function rate(bytes: number, run: () => void): string {
  const repeats = Math.max(1, Math.round(10_000_000 / bytes));
  const rates: number[] = [];
  const warm = performance.now() + milliseconds / 4;
  const end = warm + milliseconds;
  while (performance.now() < end) {
    const began = performance.now();
    for (let i = 0; i < repeats; i++) run();
    const now = performance.now();
    if (now > warm) rates.push((bytes * repeats) / (now - began) / 1e6);
  }
  return `${median(rates).toFixed(1)} (${Math.max(...rates).toFixed(1)})`;
}

/** Each on n elements. Sums go on adding the same numbers, far from the end of their range. */
const runs: Readonly<Record<string, (n: number) => () => void>> = {
  "copy (TypedArray.set)": (n) => {
    const [to, from] = [floats(dst).subarray(0, n), floats(src).subarray(0, n)];
    return () => to.set(from);
  },
  add_f32: (n) => () => kernels.addF32(dst, src, n),
  to_bf16: (n) => () => kernels.toBf16(packed, src, n),
  from_bf16: (n) => () => kernels.fromBf16(dst, packed, n),
  add_bf16: (n) => () => kernels.addBf16(dst, packed, n),
  "to_int8, no residual": (n) => () => kernels.toInt8(packed, src, 0, n),
  "to_int8, residual": (n) => () => kernels.toInt8(packed, src, residual, n),
  from_int8: (n) => () => kernels.fromInt8(dst, packed, n),
  add_int8: (n) => () => kernels.addInt8(dst, packed, n),
  checksum: (n) => () => kernels.checksum(src, 4 * n, 0),
};

const runtime = process.versions.bun ? `Bun ${process.versions.bun}` : "Deno";
console.log(`${cpus()[0]?.model.trim()}, ${runtime}\n`);
console.log(`| GB/s, median (best) | ${sizes.map((size) => `${size / 1024} KiB`).join(" | ")} |`);
console.log(`|---|${"--:|".repeat(sizes.length)}`);
for (const [name, kernel] of Object.entries(runs)) {
  const rates = sizes.map((size) => {
    const n = size / 4;
    // What the decoders read was written by the encoder of their name.
    if (name.endsWith("bf16")) kernels.toBf16(packed, src, n);
    if (name.endsWith("int8")) kernels.toInt8(packed, src, 0, n);
    return rate(size, kernel(n));
  });
  console.log(`| ${[name, ...rates].join(" | ")} |`);
}
if (int8Bytes(largest / 4) > largest) throw new Error("payloads do not fit");
