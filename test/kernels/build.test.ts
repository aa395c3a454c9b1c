import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { buildKernels } from "../../kernels/build.ts";

test("buildKernels() leaves modules alone that belong to their sources", async () => {
  await buildKernels();
  const { compiled, outputs } = await buildKernels();
  expect(compiled).toBe(false);
  const [shared, exchange, plain] = outputs.map(
    (path) => new WebAssembly.Module(readFileSync(path) as BufferSource),
  );
  const memory = { module: "env", name: "memory", kind: "memory" } as const;
  for (const module of [exchange, plain]) {
    expect(WebAssembly.Module.imports(module)).toEqual([memory]);
  }
  expect(WebAssembly.Module.imports(shared)).toEqual([
    { module: "env", name: "sgemm", kind: "function" },
    memory,
  ]);
  const names = (module: WebAssembly.Module) =>
    WebAssembly.Module.exports(module).map(({ name }) => name);
  expect(names(shared)).toContain("matmul_f32");
  expect(names(exchange)).toContain("add_bf16");
  expect(names(plain)).toContain("linear_i8");
});
