// What lies in build/ after a pull without an install belongs to other sources: it is refused.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { appendFileSync, cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { checkEdge, checkKernels } from "../../src/build_stamps.ts";
import { run } from "./run_program.ts";

const root = resolve(import.meta.dirname, "../..");
const checkout = mkdtempSync(join(tmpdir(), "weft-checkout-"));

beforeAll(() => {
  const files = ["package.json", "package-lock.json", "deno.json"];
  for (const name of [...files, "build", "cluster", "edge", "kernels", "src"]) {
    cpSync(join(root, name), join(checkout, name), { recursive: true });
  }
  symlinkSync(join(root, "node_modules"), join(checkout, "node_modules"));
});
afterAll(() => rmSync(checkout, { recursive: true, force: true }));

/** The copy as somebody else's commit would leave it. */
const change = (path: string): void => appendFileSync(join(checkout, path), "\n// changed\n");

test("checkKernels() and checkEdge() let pass what was built from these sources", () => {
  checkKernels("kernels.wasm", checkout);
  checkEdge("server.js.asset", checkout);
});

test("checkEdge() refuses the bundles of which a source has changed, and no others", () => {
  change("edge/platforms/standalone.ts");
  checkEdge("worker.js.asset", checkout);
  expect(() => checkEdge("server.js.asset", checkout)).toThrow(
    "build/edge/server.js.asset: does not belong to the sources under edge/ and src/",
  );
});

test("checkEdge() refuses a bundle whose source has left, or which has no stamp", () => {
  rmSync(join(checkout, "edge/page/service_worker.ts"));
  for (const name of ["static/service_worker.js.asset", "unheard_of.asset"]) {
    expect(() => checkEdge(name, checkout)).toThrow("npm run prepare");
  }
});

test("weft on the cpu device refuses kernels of other sources, and says what helps", async () => {
  change("kernels/simd_math.as.ts");
  const runFile = "deno" in process.versions ? ["run", "-A"] : [];
  const command = ["src/cli/main.ts", "bench", "--device", "cpu", "--only", "products", "--small"];
  const { code, stdout, stderr } = await run(process.execPath, [...runFile, ...command], checkout);
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toBe(
    "weft: build/kernels.wasm: does not belong to the sources under kernels/ of this checkout;\n" +
      "  run `npm run prepare`, which builds it anew\n",
  );
});

test("checkKernels() refuses a module beside which no stamp lies", () => {
  rmSync(join(checkout, "build/kernels.wasm.sha256"));
  expect(() => checkKernels("quantised.wasm", checkout)).toThrow("build/quantised.wasm");
});
