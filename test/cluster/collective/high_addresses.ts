// Runs kernels at the ends of the largest memory there is, and across the middle, where 32-bit addresses
// change their sign. A process of its own: while
// such a memory lives, Bun lets as much garbage pile up.
import { openExchangeKernels } from "../../../cluster/collective/exchange_kernels.ts";
import { MAXIMUM_PAGES, PAGE_BYTES } from "../../../kernels/pages.ts";

const memory = new WebAssembly.Memory({
  initial: MAXIMUM_PAGES,
  maximum: MAXIMUM_PAGES,
  shared: true,
});
const kernels = await openExchangeKernels(memory);
const n = 37;
const src = 3 * 2 ** 30;
const at = (address: number): Float32Array => new Float32Array(memory.buffer, address, n);
at(src).fill(1.5);

const found = [MAXIMUM_PAGES * PAGE_BYTES - 4 * n, 2 ** 31 - 12].map((address) => {
  at(address).fill(1);
  kernels.addF32(address, src, n);
  return {
    address,
    sums: Array.from(at(address)),
    checksum: kernels.checksum(address, 4 * n, 9),
  };
});
console.log(JSON.stringify(found));
