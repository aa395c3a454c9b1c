import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { buildKernels } from "../../kernels/build.ts";

test("buildKernels() leaves a module alone that belongs to its sources", async () => {
  await buildKernels();
  const { compiled, output } = await buildKernels();
  expect(compiled).toBe(false);
  const module = new WebAssembly.Module(readFileSync(output) as BufferSource);
  expect(WebAssembly.Module.imports(module)).toEqual([
    { module: "env", name: "memory", kind: "memory" },
  ]);
  expect(WebAssembly.Module.exports(module).map(({ name }) => name)).toContain("matmul_f32");
});
