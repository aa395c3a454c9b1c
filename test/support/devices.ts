// The devices that tests run on: the cpu always; the software adapter of WebGPU where Mesa's
// Vulkan is installed (test/install-software-vulkan.sh), otherwise named as skipped. With
// WEFT_TEST_DEVICES=webgpu what is for every device runs on that one alone: the others have had their turn.
import { describe, test } from "bun:test";
import process from "node:process";
import { openCpuDevice } from "../../src/device/cpu/cpu_device.ts";
import type { Device } from "../../src/device/device.ts";
import { webgpu } from "./webgpu.ts";

// All test files of a process share these; they end with it.

/** Products by our own kernels, whatever BLAS is installed: what a bare machine runs. */
const wasm = await openCpuDevice({ blas: "none" });
const blas = await openCpuDevice({ threads: 2 });

const devices: { name: string; device: Device }[] = [{ name: "cpu (wasm)", device: wasm }];
if (!("reason" in blas.blas)) devices.push({ name: "cpu (blas)", device: blas });
if (!("reason" in webgpu)) devices.push({ name: "webgpu", device: webgpu });

const only = process.env.WEFT_TEST_DEVICES;
const chosen = devices.filter(({ name }) => only === undefined || name.startsWith(only));
if (chosen.length === 0) throw new Error(`WEFT_TEST_DEVICES=${only}: there is no such device here`);

/** The device of tests that need just one. */
export const cpu: Device = wasm;

/** Registers a group of tests for each device that is present. */
export function onEveryDevice(body: (device: Device, name: string) => void): void {
  for (const { name, device } of chosen) describe(name, () => body(device, name));
  if ("reason" in webgpu) test.skip(`webgpu (${webgpu.reason})`, () => {});
}
