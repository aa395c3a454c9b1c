// Which subgroup matrices an adapter multiplies, seen by multiplying some. Dawn's extension is an
// experiment: its spelling changes between versions, and not every provider tells the sizes.
import type { SubgroupMatrix } from "../../../kernels/op.ts";
import {
  type Layout,
  loadMatrix,
  matrixType,
  multiplyAdd,
  storeSums,
  subgroupNumber,
} from "../../../kernels/subgroup_matrix_wgsl.ts";
import { declareBindings } from "../../../kernels/wgsl.ts";
import { numberToHalf } from "../../tensor/half.ts";
import { usage } from "./buffer_pool.ts";
import { MAP_READ } from "./read_back.ts";

type Sizes = Pick<SubgroupMatrix, "M" | "N" | "K">;

/** What Dawn's newer bindings tell of an adapter. */
export interface SubgroupMatrixConfig extends Sizes {
  readonly componentType: string;
  readonly resultComponentType: string;
}

/** Sizes of NVIDIA's, AMD's, Intel's and Apple's units, for providers that do not list them. */
const KNOWN_SIZES: readonly Sizes[] = [
  { M: 16, N: 16, K: 16 },
  { M: 8, N: 16, K: 16 },
  { M: 8, N: 8, K: 8 },
];

/** The newer spelling first: where both are known, the older one is warned of. */
const LAYOUTS = ["parameter", "argument"] as const;

/**
 * The largest subgroup matrix of f16, summed in f32, that this device multiplies right; or why there is none.
 *
 * @param listed the sizes that the adapter tells, if it tells any.
 * @param lanes of a subgroup at most.
 */
export async function probeSubgroupMatrix(
  device: GPUDevice,
  listed: Iterable<SubgroupMatrixConfig> | undefined,
  lanes: number,
): Promise<SubgroupMatrix | { readonly reason: string }> {
  const told = listed && [...listed].filter(isHalfProduct).map(({ M, N, K }) => ({ M, N, K }));
  const volume = ({ M, N, K }: Sizes) => M * N * K;
  const problems: string[] = [];
  for (const sizes of (told ?? [...KNOWN_SIZES]).sort((a, b) => volume(b) - volume(a))) {
    for (const layout of LAYOUTS) {
      const matrix = { ...sizes, layout };
      const problem = await problemOf(device, matrix, lanes);
      if (problem === undefined) return matrix;
      problems.push(`${sizes.M}x${sizes.N}x${sizes.K}, layout as ${layout}: ${problem}`);
    }
  }
  return { reason: problems.join("; ") || "it lists none of f16 with sums in f32" };
}

const isHalfProduct = ({ componentType, resultComponentType }: SubgroupMatrixConfig): boolean =>
  componentType === "f16" && resultComponentType === "f32";

/** Small whole numbers, whose products and sums are exact. */
const elementA = (row: number, k: number): number => ((row * 5 + k * 3) % 17) - 8;
const elementB = (k: number, column: number): number => ((k * 7 + column * 11) % 13) - 6;

/** A by rows and by columns, then B by rows and by columns: each pair of layouts multiplies once. */
function operands({ M, N, K }: Sizes): Uint16Array<ArrayBuffer> {
  const halves = new Uint16Array(2 * K * (M + N));
  for (let k = 0; k < K; k++) {
    for (let row = 0; row < M; row++) {
      halves[row * K + k] = halves[M * K + k * M + row] = numberToHalf(elementA(row, k));
    }
    for (let column = 0; column < N; column++) {
      const half = numberToHalf(elementB(k, column));
      halves[2 * M * K + k * N + column] = halves[2 * M * K + N * K + column * K + k] = half;
    }
  }
  return halves;
}

/** Two subgroups, or more where they are narrower; the first two multiply, each into a place of its own. */
function probeText(matrix: SubgroupMatrix, lanes: number): string {
  const { M, N, K } = matrix;
  const load = (side: "left" | "right", at: number, layout: Layout, stride: number): string =>
    loadMatrix(matrix, side, "halves", `${at}u`, layout, stride);
  const { directives, parameter, statement } = subgroupNumber(matrix);
  return `${directives}${declareBindings([
    ["halves", "f16"],
    ["products", "f32"],
  ])}
@compute @workgroup_size(${2 * lanes})
fn main(@builtin(local_invocation_index) lane: u32, ${parameter}) {
  ${statement}
  if (own < 2u) {
    let leftRows = ${load("left", 0, "row_major", K)};
    let leftColumns = ${load("left", M * K, "col_major", M)};
    let rightRows = ${load("right", 2 * M * K, "row_major", N)};
    let rightColumns = ${load("right", 2 * M * K + N * K, "col_major", K)};
    var sums = ${matrixType("result", matrix)}();
    ${multiplyAdd("leftRows", "rightColumns", "sums")}
    ${multiplyAdd("leftColumns", "rightRows", "sums")}
    ${storeSums(matrix, "products", `own * ${M * N}u`, "sums", N)}
  }
}`;
}

/** What is wrong with these matrices, if anything is. */
async function problemOf(
  device: GPUDevice,
  matrix: SubgroupMatrix,
  lanes: number,
): Promise<string | undefined> {
  const compiled = await compile(device, probeText(matrix, lanes));
  if ("reason" in compiled) return compiled.reason;
  const { M, N, K } = matrix;
  const products = await multiply(device, compiled, operands(matrix), 2 * M * N);
  const isRight = products.every((value, at) => {
    const [row, column] = [Math.floor(at / N) % M, at % N];
    let want = 0;
    for (let k = 0; k < K; k++) want += 2 * elementA(row, k) * elementB(k, column);
    return value === want;
  });
  return isRight ? undefined : "a product came out wrong";
}

/** The pipeline of a text, or why this Dawn or this driver refuses it. */
async function compile(
  device: GPUDevice,
  code: string,
): Promise<GPUComputePipeline | { readonly reason: string }> {
  device.pushErrorScope("internal");
  device.pushErrorScope("validation");
  const pipeline = device.createComputePipeline({
    layout: "auto",
    compute: { module: device.createShaderModule({ code }), entryPoint: "main" },
  });
  const errors = [await device.popErrorScope(), await device.popErrorScope()];
  const refusal = errors.find((error) => error !== null);
  return refusal ? { reason: refusal.message.split("\n")[0] } : pipeline;
}

async function multiply(
  device: GPUDevice,
  pipeline: GPUComputePipeline,
  halves: Uint16Array<ArrayBuffer>,
  length: number,
): Promise<Float32Array> {
  const bytes = 4 * length;
  const buffers = [
    { size: halves.byteLength, usage: usage.storage | usage.copyTarget },
    { size: bytes, usage: usage.storage | usage.copySource },
    { size: bytes, usage: usage.mapRead | usage.copyTarget },
  ].map((descriptor) => device.createBuffer(descriptor));
  const [input, products, readBack] = buffers;
  try {
    device.queue.writeBuffer(input, 0, halves);
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    const entries = [input, products].map((buffer, binding) => ({ binding, resource: { buffer } }));
    const layout = pipeline.getBindGroupLayout(0);
    pass.setBindGroup(0, device.createBindGroup({ layout, entries }));
    pass.dispatchWorkgroups(1);
    pass.end();
    encoder.copyBufferToBuffer(products, 0, readBack, 0, bytes);
    device.queue.submit([encoder.finish()]);
    await readBack.mapAsync(MAP_READ);
    return new Float32Array(readBack.getMappedRange().slice(0));
  } finally {
    for (const buffer of buffers) buffer.destroy();
  }
}
