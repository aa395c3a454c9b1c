// The WebGPU device of tests: a real GPU where there is one, else the software adapter (Mesa's
// llvmpipe: test/install-software-vulkan.sh), else a reason that the skipped tests carry.
import {
  type AdapterFacts,
  type FoundAdapter,
  findAdapter,
} from "../../src/device/webgpu/adapter.ts";
import { isUnavailable, type Unavailable } from "../../src/device/webgpu/provider.ts";
import { startWebGpuDevice, type WebGpuDevice } from "../../src/device/webgpu/webgpu_device.ts";

/** One provider (`webgpu`, say) instead of the first that has an adapter. */
const provider = process.env.WEFT_TEST_WEBGPU_PROVIDER;

async function find(): Promise<FoundAdapter | Unavailable> {
  const real = await findAdapter({ provider, listedOnly: true });
  return isUnavailable(real)
    ? await findAdapter({ provider, name: "software", listedOnly: true })
    : real;
}

async function open(): Promise<WebGpuDevice | { reason: string }> {
  const found = await find();
  return isUnavailable(found) ? found : startWebGpuDevice(found);
}

/** The same adapter as if these facts held of it. @throws where there is none. */
export async function openAs(facts: Partial<AdapterFacts>): Promise<WebGpuDevice> {
  const found = await find();
  if (isUnavailable(found)) throw new Error(found.reason);
  return startWebGpuDevice({ ...found, facts: { ...found.facts, ...facts } });
}

/** Opened once per test file that asks; closed with the process. */
export const webgpu: WebGpuDevice | { reason: string } = await open();
