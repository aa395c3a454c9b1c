// The GPU of this process, if its runtime has navigator.gpu: on Deno, and there the software adapter too.
import { test } from "bun:test";
import { type BundleFiles, memorySource } from "../../../edge/export/bundle_files.ts";
import { OnnxStepDecoder } from "../../../edge/onnx/onnx_step_decoder.ts";
import { GpuModel } from "../../../edge/onnx/webgpu/gpu_model.ts";
import { type GpuRuntime, openGpuRuntime } from "../../../edge/onnx/webgpu/gpu_runtime.ts";
import { gpuFiles } from "../../../edge/platforms/file_onnxruntime_webgpu.ts";
import { Bundle } from "../../../edge/runtime/bundle.ts";
import { UserError } from "../../../src/config/user_error.ts";
import { PADDING, SYMBOLS } from "./random_bundle.ts";

async function open(): Promise<GpuRuntime | { reason: string }> {
  try {
    return await openGpuRuntime(gpuFiles);
  } catch (error) {
    if (error instanceof UserError) return { reason: error.detail.problem };
    throw error;
  }
}

const gpu = await open();

export function gpuRuntime(): GpuRuntime {
  if ("reason" in gpu) throw new Error(gpu.reason);
  return gpu;
}

/** A test that needs the GPU; without one it is listed as skipped, with the reason. */
export function onGpu(name: string, body: () => Promise<void>): void {
  if ("reason" in gpu) test.skip(`${name} (${gpu.reason})`, body);
  else test(name, body);
}

export async function gpuModel(files: BundleFiles): Promise<GpuModel> {
  return GpuModel.load(await Bundle.open(memorySource(files, "random")), gpuRuntime(), SYMBOLS);
}

export const gpuDecoder = async (files: BundleFiles): Promise<OnnxStepDecoder> =>
  new OnnxStepDecoder(await gpuModel(files), PADDING);
