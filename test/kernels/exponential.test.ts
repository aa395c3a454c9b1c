// The exponential of softmaxes and the loss keeps the bound that simd_math.as.ts states for it.
import { expect, test } from "bun:test";
import { kernelsOn } from "../support/kernels_module.ts";

const memory = new WebAssembly.Memory({ initial: 256, maximum: 65536, shared: true });
const { loss_rows } = kernelsOn(memory);

const ROWS = 200_000;
const LOGITS = 65_536;

test("e^x below zero is as near as it says", () => {
  // Of two logits 0 and x with the first as the target, the second's gradient is e^x / (1 + e^x).
  const target = LOGITS + 8 * ROWS;
  const [lse, sums, gradient] = [target + 4 * ROWS, target + 8 * ROWS, target + 16 * ROWS];
  memory.grow(Math.max(0, Math.ceil((gradient + 8 * ROWS) / 65_536) - 256));
  const logits = new Float32Array(memory.buffer, LOGITS, 2 * ROWS);
  for (let row = 0; row < ROWS; row++) logits[2 * row + 1] = (-87 * (row + 0.5)) / ROWS;
  loss_rows(LOGITS, target, lse, sums, gradient, 2, 0, -1, 0, ROWS);
  const got = new Float32Array(memory.buffer, gradient, 2 * ROWS);
  let worst = 0;
  for (let row = 0; row < ROWS; row++) {
    const x = logits[2 * row + 1];
    const wanted = Math.exp(x) / (1 + Math.exp(x));
    // The sum, its inverse and the product with it round, too.
    const bound = 2e-7 + 7.5e-8 * -x + 2e-7;
    worst = Math.max(worst, Math.abs(got[2 * row + 1] / wanted - 1) / bound);
  }
  expect(worst).toBeLessThan(1);
  expect(worst).toBeGreaterThan(0.1);
});
