// Chooses the device that --device asks for. A choice is always announced, never made in silence.
import type { DeviceConfig } from "../config/schemas/device.ts";
import { UserError } from "../config/user_error.ts";
import { openCpuDevice } from "./cpu/cpu_device.ts";
import type { Device } from "./device.ts";
import { type FoundAdapter, findAdapter, requireAdapter } from "./webgpu/adapter.ts";
import { isUnavailable } from "./webgpu/provider.ts";
import { startWebGpuDevice } from "./webgpu/webgpu_device.ts";

/**
 * @param log gets one line: what serves, and with `auto` why.
 * @param localRank number of this process among those of its machine that compute together.
 * @throws UserError when the device asked for cannot be had.
 */
export async function openDevice(
  config: DeviceConfig,
  log: (line: string) => void,
  localRank = 0,
): Promise<Device> {
  const opened = await choose(config, log, localRank);
  log(opened.why ? `${opened.device.description} (${opened.why})` : opened.device.description);
  return opened.device;
}

async function choose(
  config: DeviceConfig,
  say: (line: string) => void,
  localRank: number,
): Promise<{ device: Device; why?: string }> {
  const { device: wish, threads, blas, autotune } = config;
  if (wish === "cpu") return { device: await openCpuDevice({ threads, blas }) };
  const provider = config.webgpu_provider === "auto" ? undefined : config.webgpu_provider;
  if (wish === "auto") {
    const found = await findAdapter({ provider, listedOnly: true });
    if (!isUnavailable(found)) {
      refuseToShare(found, wish, localRank);
      return { device: await startWebGpuDevice(found, { autotune, say }) };
    }
    return { device: await openCpuDevice({ threads, blas }), why: `no GPU: ${found.reason}` };
  }
  const name = wish === "webgpu" ? undefined : wish.slice("webgpu:".length);
  const found = await requireAdapter({ provider, name });
  if (name === undefined) refuseToShare(found, wish, localRank);
  return { device: await startWebGpuDevice(found, { autotune, say }) };
}

/**
 * WebGPU gives out one adapter to all who ask alike: a list of adapters is in no standard and in no
 * binding, so the second process of a machine would compute on the GPU of the first.
 *
 * @throws UserError unless it is the first.
 */
export function refuseToShare(
  { facts }: Pick<FoundAdapter, "facts">,
  wish: string,
  localRank: number,
): void {
  if (localRank === 0) return;
  throw new UserError({
    place: `--device ${wish}`,
    problem: `process ${localRank} of this machine would share ${facts.name} with process 0: WebGPU does not list the GPUs of a machine`,
    remedy:
      "let the scheduler show each process one GPU, and say --device webgpu:NAME to take the one that it sees; or use --device cpu",
  });
}
