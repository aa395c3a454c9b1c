// The op that docs/engine.md adds, step by step: what the page prints is what stands in
// docs/examples/softsign, and that is compiled and run.
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import asc from "assemblyscript/asc";
import { softsignOp } from "../../docs/examples/softsign/index.ts";
import { NdArray } from "../../kernels/nd_array.ts";
import type { CpuArgument, Op } from "../../kernels/op.ts";
import { compile, type HostTensor } from "../../src/engine/compile.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { cpu } from "../support/devices.ts";
import { checkForward, checkGradient } from "../support/op_checks.ts";
import { seededRandom } from "../support/random.ts";
import { webgpu } from "../support/webgpu.ts";

const root = resolve(import.meta.dirname, "../..");
const folder = "docs/examples/softsign";
const examples = softsignOp.examples(seededRandom(3));

/** Without what a formatter puts where lines break. */
const bare = (text: string): string => text.replaceAll(/\s+/g, "").replaceAll(/,(?=[}\])])/g, "");

test("docs/engine.md prints the files of its op as they stand", () => {
  const page = readFileSync(join(root, "docs/engine.md"), "utf8");
  const printed = new Map<string, string>();
  for (const [, name, code] of page.matchAll(/```ts\n\/\/ kernels\/softsign\/(\S+)\n(.*?)```/gs)) {
    printed.set(name, bare(code));
  }
  // A family's folder lies two steps below the top, the example three: lines may break elsewhere.
  const inFamily = (text: string): string =>
    bare(text.replaceAll('"../../../kernels/', '"../').replaceAll('"../../../src/', '"../../src/'));
  const files = readdirSync(join(root, folder)).map((name): [string, string] => [
    name,
    inFamily(readFileSync(join(root, folder, name), "utf8")),
  ]);
  expect(printed).toEqual(new Map(files));
});

interface SoftsignModule {
  readonly memory: WebAssembly.Memory;
  run(kernel: string, addresses: readonly number[], start: number, end: number): void;
}

/** simd.as.ts by itself, compiled as kernels/build.ts compiles all of them. */
async function compileKernel(): Promise<SoftsignModule> {
  let binary: Uint8Array | undefined;
  const options = ["-O3", "--noAssert", "--runtime", "stub", "--enable", "simd", "--importMemory"];
  const entry = `${folder}/simd.as.ts`;
  const { error, stderr } = await asc.main(
    [entry, "--baseDir", root, "--outFile", "out.wasm", ...options],
    {
      writeFile(name, contents) {
        if (name === "out.wasm" && contents instanceof Uint8Array) binary = contents;
      },
    },
  );
  if (error || !binary) throw new Error(`${error?.message}\n${stderr.toString()}`);
  const memory = new WebAssembly.Memory({ initial: 1 });
  const module = await WebAssembly.compile(binary as BufferSource);
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  return {
    memory,
    run(kernel, addresses, start, end) {
      const found = exports[kernel];
      if (typeof found !== "function") throw new Error(`the module has no ${kernel}`);
      found(...addresses, start, end);
    },
  };
}

test("the documented op's cpu kernel agrees with its reference, in any split", async () => {
  const { memory, run } = await compileKernel();
  const addresses = [1024, 4096];
  const [from, to] = addresses.map((at) => new Float32Array(memory.buffer, at, 512));
  const addressOf = (argument: CpuArgument): number => {
    if (typeof argument === "number") return argument;
    if ("input" in argument) return addresses[0];
    if ("output" in argument) return addresses[1];
    throw new Error("softsign takes nothing else");
  };
  for (const { inputs } of examples) {
    const [x] = inputs;
    from.set(x.data);
    const [want] = softsignOp.reference({}, [NdArray.of(x.shape, from.slice(0, x.data.length))]);
    const answer = softsignOp.cpu(
      { attributes: {}, inputs, outputs: softsignOp.infer({}, inputs) },
      { threads: 2, blas: false, fewRowsByBlas: false },
    );
    if (!("kernel" in answer)) throw new Error("one dispatch was documented");
    const middle = answer.work >> 1;
    const places = answer.arguments.map(addressOf);
    to.fill(7);
    run(answer.kernel, places, 0, middle);
    run(answer.kernel, places, middle, answer.work);
    for (let i = 0; i < answer.work; i++) expect(to[i]).toBeCloseTo(want.data[i], 6);
    expect(to[answer.work]).toBe(7); // nothing is written beyond
  }
});

test("the documented op's gradient is that of its reference", async () => {
  const [{ inputs }] = examples;
  const x = NdArray.of(inputs[0].shape, inputs[0].data);
  const at = (shift: number): Float64Array =>
    softsignOp.reference({}, [
      NdArray.of(
        x.shape,
        x.data.map((value) => value + shift),
      ),
    ])[0].data;
  const feed = (data: Float64Array): HostTensor => ({
    data: Float32Array.from(data),
    shape: x.shape,
  });
  // Of the forward pass it takes only the output, which the reference has computed.
  const run = compile(cpu, "softsign gradient", ({ y, dy }: Record<"y" | "dy", Tensor>) => {
    const node = {
      kind: "op" as const,
      id: 0,
      op: softsignOp,
      attributes: {},
      inputs: [y],
      outputs: [y],
    };
    const [dx] = softsignOp.gradient?.(node, [dy]) ?? [];
    if (!dx) throw new Error("softsign has a gradient");
    return { dx };
  });
  const dx = await run({ y: feed(at(0)), dy: feed(x.data.map(() => 1)) }).dx.read();
  const [above, below] = [at(1e-4), at(-1e-4)];
  for (const [i, slope] of dx.entries()) expect(slope).toBeCloseTo((above[i] - below[i]) / 2e-4, 4);
  run.release();
});

if ("reason" in webgpu) {
  test.skip(`the documented op on webgpu (${webgpu.reason})`, () => {});
} else {
  const device = webgpu;
  test("the documented op agrees with its reference on webgpu, forward and backward", async () => {
    const op = softsignOp as Op<unknown>;
    for (const example of examples) {
      await checkForward(device, op, example);
      await checkGradient(device, op, example, 4);
    }
  });
}
