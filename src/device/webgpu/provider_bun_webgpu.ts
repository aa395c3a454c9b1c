// bun-webgpu: Dawn through bun:ffi. The default under Bun, also inside the compiled binary: the
// bundler follows the package's own import of the shared library and embeds it.
import type { Pointer } from "bun:ffi";
import { collectGarbage } from "../collect_garbage.ts";
import type { AdapterWish, NativeFacts, OpenProvider, Provider } from "./provider.ts";

/** wgpu::BackendType and wgpu::AdapterType, by number. */
const backends = [
  "undefined",
  "null",
  "WebGPU",
  "D3D11",
  "D3D12",
  "Metal",
  "Vulkan",
  "OpenGL",
  "OpenGLES",
];
const cpuAdapter = 3;

/** What bun-webgpu shows beyond the standard. */
interface NativeInfo extends GPUAdapterInfo {
  readonly backendType: number;
  readonly adapterType: number;
}

/** How bun-webgpu waits for answers: private to it, so every part may be missing. */
interface Ticker {
  scheduleTick(): void;
  hasWaiting(): boolean;
  processEvents(): void;
  _ticking: boolean;
  /** When the last answer was asked for. */
  _lastTime: number;
}

interface NativePass extends GPUComputePassEncoder {
  readonly lib: { wgpuComputePassEncoderRelease(pass: Pointer): void };
}

type NativeRequest = GPURequestAdapterOptions & { nextInChain: Pointer };

/** Dawn's objects hold raw pointers into these; the collector must not take them. */
const referenced = new Set<unknown>();

const noDriver = {
  reason: "the system lists no Vulkan driver",
  remedy: "install the GPU's Vulkan driver (mesa-vulkan-drivers, or NVIDIA's own)",
};

export const bunWebGpu: Provider = {
  name: "bun-webgpu",
  async open(listedOnly) {
    // Browsers have no `process`.
    if (!globalThis.process?.versions.bun) {
      return { reason: "bun-webgpu needs Bun", remedy: "run weft with Bun", absent: true };
    }
    if (listedOnly && process.platform === "linux") {
      const { listedVulkanDrivers } = await import("./vulkan_drivers.ts");
      if (listedVulkanDrivers().length === 0) return noDriver;
    }
    try {
      const [{ createGPUInstance }, { dawnToggles }] = await Promise.all([
        import("bun-webgpu"),
        import("./dawn_toggles.ts"),
      ]);
      const gpu = createGPUInstance();
      const toggles = dawnToggles({
        enabled: ["allow_unsafe_apis"],
        disabled: ["timestamp_quantization"],
      });
      referenced.add(gpu).add(toggles);
      pauseBetweenTicks(gpu);
      return openProvider(gpu, toggles.pointer);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      // The compiled binary carries Dawn, and Bun unpacks it where temporary files go.
      const remedy = message.includes("bunfs")
        ? "set TMPDIR to a folder that can be written: Dawn is unpacked there"
        : `install the package bun-webgpu-${process.platform}-${process.arch}, if there is one`;
      return { reason: `bun-webgpu does not load (${message})`, remedy };
    }
  },
};

function openProvider(gpu: GPU, toggles: Pointer): OpenProvider {
  return {
    async requestAdapter(wish: AdapterWish) {
      const request: NativeRequest =
        wish === "fallback"
          ? { nextInChain: toggles, forceFallbackAdapter: true }
          : { nextInChain: toggles, powerPreference: wish };
      collectGarbage();
      const adapter = await gpu.requestAdapter(request);
      if (adapter) {
        referenced.add(adapter);
        collectBeforeDevices(adapter);
      }
      return adapter;
    },
    nativeFacts(adapter): NativeFacts {
      const { backendType, adapterType } = adapter.info as NativeInfo;
      return { backend: backends[backendType], isCpu: adapterType === cpuAdapter };
    },
    discard({ passes = [], commands, groups = [] }) {
      for (const pass of passes as readonly NativePass[]) {
        pass.lib.wgpuComputePassEncoderRelease(pass.ptr);
      }
      commands?._destroy();
      for (const group of groups) group.destroy();
    },
  };
}

/**
 * bun-webgpu gives Dawn addresses of buffers that nothing refers to while the call is made; if they are
 * collected just then, Dawn finds features that nobody asked for ("Value 1493 is invalid for
 * WGPUFeatureName"), or the process crashes. Right after a collection no other one is due.
 */
function collectBeforeDevices(adapter: GPUAdapter): void {
  const request = adapter.requestDevice.bind(adapter);
  adapter.requestDevice = (descriptor) => {
    collectGarbage();
    return request(descriptor);
  };
}

/** A wait this long is not about latency any more. */
const SPIN_MILLISECONDS = 2;

/**
 * bun-webgpu asks Dawn for answers in a loop without pause, which costs a core as long as the GPU
 * works: the one that llvmpipe or the data loader needs. After a moment we pause between questions.
 */
function pauseBetweenTicks(gpu: object): void {
  const ticker = "_ticker" in gpu ? (gpu._ticker as Partial<Ticker>) : undefined;
  if (!isTicker(ticker)) return;
  ticker.scheduleTick = () => {
    if (ticker._ticking) return;
    ticker._ticking = true;
    const tick = (): void => {
      ticker.processEvents();
      ticker._ticking = false;
      if (ticker.hasWaiting()) ticker.scheduleTick();
    };
    if (performance.now() - ticker._lastTime < SPIN_MILLISECONDS) setImmediate(tick);
    else setTimeout(tick, 1);
  };
}

const isTicker = (ticker: Partial<Ticker> | undefined): ticker is Ticker =>
  typeof ticker?.scheduleTick === "function" &&
  typeof ticker.hasWaiting === "function" &&
  typeof ticker.processEvents === "function" &&
  typeof ticker._ticking === "boolean" &&
  typeof ticker._lastTime === "number";
