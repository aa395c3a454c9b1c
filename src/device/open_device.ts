// Chooses the device that --device asks for. A choice is always announced, never made in silence.
import type { DeviceConfig } from "../config/schemas/device.ts";
import { openCpuDevice } from "./cpu/cpu_device.ts";
import type { Device } from "./device.ts";
import { findAdapter, requireAdapter } from "./webgpu/adapter.ts";
import { isUnavailable } from "./webgpu/provider.ts";
import { startWebGpuDevice } from "./webgpu/webgpu_device.ts";

/**
 * @param log gets one line: what serves, and with `auto` why.
 * @throws UserError when the device asked for cannot be had.
 */
export async function openDevice(
  config: DeviceConfig,
  log: (line: string) => void,
): Promise<Device> {
  const opened = await choose(config);
  log(opened.why ? `${opened.device.description} (${opened.why})` : opened.device.description);
  return opened.device;
}

async function choose(config: DeviceConfig): Promise<{ device: Device; why?: string }> {
  const { device: wish, threads, blas } = config;
  if (wish === "cpu") return { device: await openCpuDevice({ threads, blas }) };
  const provider = config.webgpu_provider === "auto" ? undefined : config.webgpu_provider;
  if (wish === "auto") {
    const found = await findAdapter({ provider, listedOnly: true });
    if (!isUnavailable(found)) return { device: await startWebGpuDevice(found) };
    return { device: await openCpuDevice({ threads, blas }), why: `no GPU: ${found.reason}` };
  }
  const name = wish === "webgpu" ? undefined : wish.slice("webgpu:".length);
  return { device: await startWebGpuDevice(await requireAdapter({ provider, name })) };
}
