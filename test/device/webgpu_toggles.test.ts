// Bun only: the toggles are native memory handed to bun-webgpu.
import { expect, test } from "bun:test";
import { listedVulkanDrivers } from "../../src/device/webgpu/vulkan_drivers.ts";

if (!process.versions.bun || listedVulkanDrivers().length === 0) {
  test.skip("dawnToggles() (needs Bun and a Vulkan driver)", () => {});
} else {
  test("dawnToggles() reveals features that Dawn hides otherwise", async () => {
    const { createGPUInstance } = await import("bun-webgpu");
    const { dawnToggles } = await import("../../src/device/webgpu/dawn_toggles.ts");
    const gpu: GPU = createGPUInstance();
    const toggles = dawnToggles({ enabled: ["allow_unsafe_apis"], disabled: [] });
    const request: GPURequestAdapterOptions & { nextInChain: number } = {
      nextInChain: toggles.pointer,
    };
    const plain = await gpu.requestAdapter({});
    const toggled = await gpu.requestAdapter(request);
    if (!plain || !toggled) throw new Error("there is a driver, but no adapter");
    expect(toggled.features.size).toBeGreaterThan(plain.features.size);
    for (const feature of plain.features) expect(toggled.features.has(feature)).toBe(true);
  });
}
