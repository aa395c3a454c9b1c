// Every kernel that may serve a product on a GPU, on sizes that no tile divides: the op suite meets only
// the tables' first, and mostly small products.
import { describe, expect, test } from "bun:test";
import { candidatesOf, errorOf, FORMS, type ProductCase } from "../support/gpu_products.ts";
import { webgpu } from "../support/webgpu.ts";

const SEED = Number(process.env.WEFT_TEST_SEED ?? 0);

/** Odd sizes, whose elements are loaded one by one, and sizes that let quads be loaded. */
const cases: Readonly<Record<string, ProductCase>> = {
  "wide, odd": { M: 69, N: 37, K: 67 },
  "wide and deep, of quads": { M: 140, N: 132, K: 1036 },
  "few rows, odd": { M: 11, N: 131, K: 77 },
  "few rows, of quads": { M: 9, N: 132, K: 140 },
  "few columns, odd": { M: 203, N: 9, K: 67 },
  "batch, odd": { M: 35, N: 66, K: 67, batch: 3 },
};

const device = webgpu;
if ("reason" in device) test.skip(`productWgsl() (${device.reason})`, () => {});
else {
  describe("productWgsl()", () => {
    for (const [number, [name, sizes]] of Object.entries(cases).entries()) {
      test(`multiplies, adds the bias and activates by every candidate: ${name}`, async () => {
        // Each candidate meets one form here and another one in the next case; the seed turns them.
        const most = candidatesOf(device, sizes, FORMS[0]).length;
        for (let index = 0; index < most; index++) {
          const form = FORMS[(index + number + SEED) % FORMS.length];
          const candidates = candidatesOf(device, sizes, form);
          if (index >= candidates.length) continue;
          // Compiling costs seconds here. Loads by elements are the same text in every tile, and every
          // candidate meets sizes of quads: here some of them do, others with another seed.
          if (name.endsWith("odd") && most > 1 && (index + SEED) % 4 !== 0) continue;
          const error = await errorOf(device, sizes, form, index, { seed: SEED });
          const what = `${candidates[index].name}, ${JSON.stringify(form)}`;
          expect({ what, error: error < 5e-4 || error }).toEqual({ what, error: true });
        }
      }, 300_000);
    }

    test("multiplies by the text that a GPU gets", async () => {
      const sizes = { M: 140, N: 132, K: 44 };
      expect(
        await errorOf(device, sizes, FORMS[0], 0, { facts: { isSoftware: false } }),
      ).toBeLessThan(1e-4);
    }, 300_000);
  });
}
