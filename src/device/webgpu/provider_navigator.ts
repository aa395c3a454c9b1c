// The runtime's own WebGPU: browsers, and Deno with --unstable-webgpu.
import type { Provider } from "./provider.ts";

export const navigatorGpu: Provider = {
  name: "navigator.gpu",
  async open() {
    const gpu = globalThis.navigator?.gpu;
    if (!gpu) {
      return {
        reason: "this runtime has no navigator.gpu",
        remedy: "use Bun, a browser with WebGPU, or Deno with --unstable-webgpu",
        absent: true,
      };
    }
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
