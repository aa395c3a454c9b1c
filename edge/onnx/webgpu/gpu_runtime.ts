// onnxruntime-web's build with the WebGPU execution provider. It waits for the GPU in the middle of a run,
// for which this build needs WebAssembly's promise integration (JSPI): another build of the package does
// without, but is larger than the 24 MiB that static hosts take.
import type * as Ort from "onnxruntime-web/jspi";
import type { Engine } from "../../../src/config/schemas/engines.ts";
import { UserError } from "../../../src/config/user_error.ts";
import { doesCompute } from "./does_compute.ts";

/** How a platform comes by the package's files; asked for only where there is a GPU. */
export interface GpuFiles {
  /** ort.jspi.bundle.min.mjs, imported. */
  library(): Promise<typeof Ort>;
  /** ort-wasm-simd-threaded.jspi.wasm */
  wasm(): Promise<Uint8Array<ArrayBuffer>>;
}

export interface GpuRuntime {
  readonly ort: typeof Ort;
  readonly device: GPUDevice;
  /** What computes, for people. */
  readonly name: string;
}

/** As command lines and the page call it. */
const ENGINE: Engine = "onnxruntime-webgpu";

/** What ONNX Runtime makes use of where an adapter has it. */
const FEATURES = ["shader-f16", "subgroups"] as const;
const LIMITS = [
  ...(["maxBufferSize", "maxStorageBufferBindingSize", "maxStorageBuffersPerShaderStage"] as const),
  ...(["maxBindGroups", "maxComputeWorkgroupStorageSize"] as const),
  ...(["maxComputeInvocationsPerWorkgroup", "maxComputeWorkgroupsPerDimension"] as const),
  ...([
    "maxComputeWorkgroupSizeX",
    "maxComputeWorkgroupSizeY",
    "maxComputeWorkgroupSizeZ",
  ] as const),
];

/** @throws UserError where there is no adapter that computes, or no promise integration. */
export async function openGpuRuntime(files: GpuFiles): Promise<GpuRuntime> {
  const gpu = globalThis.navigator?.gpu as GPU | undefined;
  if (gpu === undefined) throw refusal("there is no navigator.gpu here");
  if (!("Suspending" in WebAssembly)) {
    throw refusal("WebAssembly's promise integration (JSPI) is missing here");
  }
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null) throw refusal("navigator.gpu offers no adapter");
  const device = await adapter.requestDevice({
    requiredFeatures: FEATURES.filter((feature) => adapter.features.has(feature)),
    requiredLimits: Object.fromEntries(LIMITS.map((limit) => [limit, adapter.limits[limit]])),
  });
  const name = nameOf(adapter.info);
  if (!(await doesCompute(device))) {
    device.destroy();
    throw refusal(`the adapter ${name} computes nothing`);
  }
  const [ort, wasm] = await Promise.all([files.library(), files.wasm()]);
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = wasm;
  ort.env.logLevel = "fatal";
  return { ort, device, name: `onnxruntime-web ${ort.env.versions.common} on WebGPU (${name})` };
}

const nameOf = ({ vendor, architecture, device, description }: GPUAdapterInfo): string =>
  description || [vendor, architecture, device].filter((part) => part !== "").join(" ");

const refusal = (problem: string): UserError =>
  new UserError({
    place: ENGINE,
    problem,
    remedy:
      "use a browser with WebGPU and JSPI (Chromium 137 or newer), run weft serve on Deno where " +
      "there is a GPU driver, or choose the engine weft",
  });
