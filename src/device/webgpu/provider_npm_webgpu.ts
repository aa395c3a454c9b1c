// The npm package `webgpu`: Dawn as a Node addon. Optional; serves Bun, Deno and Node.
import type { Provider } from "./provider.ts";

interface NpmWebGpu {
  /** Each option is a `name=value` string of Dawn's. */
  create(options: readonly string[]): GPU;
}

// A name that bundlers and the type checker cannot follow: the package need not be installed.
const packageName: string = "webgpu";

const options = [
  // Unsafe for Dawn are subgroup matrices; on NVIDIA it holds f16 back unless asked.
  "enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia",
  "disable-dawn-features=timestamp_quantization",
];

/** Under Bun the addon crashes once the object that create() returned is collected. */
const referenced = new Set<GPU>();

export const npmWebGpu: Provider = {
  name: "webgpu",
  async open() {
    let gpu: GPU;
    try {
      const { create } = (await import(packageName)) as NpmWebGpu;
      gpu = create(options);
    } catch (error) {
      const missing =
        error instanceof Error && /cannot find|not found|not a dependency/i.test(error.message);
      return {
        reason: missing ? "the npm package webgpu is not installed" : `webgpu: ${error}`,
        remedy: "npm install webgpu",
        absent: missing,
      };
    }
    referenced.add(gpu);
    return {
      requestAdapter: (wish) =>
        gpu.requestAdapter(
          wish === "fallback" ? { forceFallbackAdapter: true } : { powerPreference: wish },
        ),
      nativeFacts: () => ({}),
      discard() {},
    };
  },
};
