// Whatever computes, a bundle is opened only if all of its files are whole, those for other engines too.
import { expect, test } from "bun:test";
import { memorySource } from "../../edge/export/bundle_files.ts";
import { openOnnxTranslator } from "../../edge/onnx/open_onnx_translator.ts";
import { openGpuTranslator } from "../../edge/onnx/webgpu/open_gpu_translator.ts";
import type { BundleSource } from "../../edge/runtime/bundle.ts";
import { openTranslator } from "../../edge/runtime/open_translator.ts";
import type { EdgeTranslator } from "../../edge/runtime/translator.ts";
import { gpuRuntime, onGpu } from "./onnx/gpu_here.ts";
import { kernels, randomFiles, runtime } from "./onnx/random_bundle.ts";

const files = await randomFiles({}, "int8");

async function refusesDamage(
  open: (source: BundleSource) => Promise<EdgeTranslator>,
): Promise<void> {
  for (const [name, bytes] of files) {
    const flipped = bytes.slice();
    flipped[bytes.length >> 1] ^= 1;
    const damaged = memorySource(new Map([...files, [name, flipped]]), "b");
    await expect(open(damaged)).rejects.toThrow(`b/${name}: is `);
  }
  (await open(memorySource(files, "b"))).close();
}

test("openTranslator() refuses a bundle with any file damaged", () =>
  refusesDamage((source) => openTranslator(source, kernels)));

test("openOnnxTranslator() refuses a bundle with any file damaged", () =>
  refusesDamage((source) => openOnnxTranslator(source, runtime)));

onGpu("openGpuTranslator() refuses a bundle with any file damaged", () =>
  refusesDamage((source) => openGpuTranslator(source, gpuRuntime())),
);
