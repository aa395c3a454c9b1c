// The WebGPU device of tests: a real GPU where there is one, else the software adapter (Mesa's
// llvmpipe: test/install-software-vulkan.sh), else a reason that the skipped tests carry.
import { findAdapter } from "../../src/device/webgpu/adapter.ts";
import { isUnavailable } from "../../src/device/webgpu/provider.ts";
import { startWebGpuDevice, type WebGpuDevice } from "../../src/device/webgpu/webgpu_device.ts";

async function open(): Promise<WebGpuDevice | { reason: string }> {
  const real = await findAdapter({ listedOnly: true });
  const found = isUnavailable(real)
    ? await findAdapter({ name: "software", listedOnly: true })
    : real;
  return isUnavailable(found) ? found : startWebGpuDevice(found);
}

/** Opened once per test file that asks; closed with the process. */
export const webgpu: WebGpuDevice | { reason: string } = await open();
