import { expect, test } from "bun:test";
import { refuseToShare } from "../../src/device/open_device.ts";
import { describeAdapter, findAdapter, requireAdapter } from "../../src/device/webgpu/adapter.ts";
import {
  isUnavailable,
  type OpenProvider,
  type Provider,
} from "../../src/device/webgpu/provider.ts";
import { listedVulkanDrivers } from "../../src/device/webgpu/vulkan_drivers.ts";

interface FakeAdapter {
  readonly description: string;
  readonly backend?: string;
  readonly isCpu?: boolean;
  readonly isFallbackAdapter?: boolean;
  readonly operands?: number;
}

/** A provider that offers these adapters for the wishes high-performance, low-power, fallback. */
function fakeProvider(name: string, adapters: readonly (FakeAdapter | undefined)[]): Provider {
  const wishes = ["high-performance", "low-power", "fallback"];
  const facts = new Map<GPUAdapter, FakeAdapter>();
  const opened: OpenProvider = {
    async requestAdapter(wish) {
      const fake = adapters[wishes.indexOf(wish)];
      if (!fake) return null;
      const { description, isFallbackAdapter = false, operands = 10 } = fake;
      const info = { description, device: "", vendor: "", architecture: "", isFallbackAdapter };
      const limits = {
        maxStorageBufferBindingSize: 2 ** 27,
        maxComputeWorkgroupStorageSize: 32768,
        maxStorageBuffersPerShaderStage: operands,
      };
      const adapter = { info, limits, features: new Set(["shader-f16"]) };
      facts.set(adapter as unknown as GPUAdapter, fake);
      return adapter as unknown as GPUAdapter;
    },
    nativeFacts: (adapter) => ({
      backend: facts.get(adapter)?.backend,
      isCpu: facts.get(adapter)?.isCpu,
    }),
    discard() {},
  };
  return { name, open: async () => opened };
}

const geforce = { description: "GeForce RTX", backend: "Vulkan" };
const llvmpipe = { description: "llvmpipe", backend: "Vulkan", isCpu: true };
const nothing = { description: "", backend: "null", isCpu: true };

const absent: Provider = {
  name: "absent",
  open: async () => ({ reason: "not on this runtime", remedy: "take another", absent: true }),
};

async function chosen(name: string | undefined, ...offered: Provider[]): Promise<string> {
  const found = await findAdapter({ name }, offered);
  return isUnavailable(found) ? `none: ${found.reason}` : found.facts.name;
}

test("findAdapter() takes a real GPU when nothing is named", async () => {
  expect(await chosen(undefined, absent, fakeProvider("p", [geforce]))).toBe("GeForce RTX");
});

test("findAdapter() does not take a software adapter when nothing is named", async () => {
  const answer = await chosen(undefined, absent, fakeProvider("p", [llvmpipe, llvmpipe]));
  expect(answer).toBe("none: p finds only a software adapter: llvmpipe (software)");
});

test("findAdapter() knows software adapters by their name and by the standard's flag", async () => {
  const byName = fakeProvider("p", [{ description: "Google SwiftShader" }]);
  const byFlag = fakeProvider("q", [{ description: "unheard of", isFallbackAdapter: true }]);
  expect(await chosen("software", byName)).toBe("Google SwiftShader");
  expect(await chosen("software", byFlag)).toBe("unheard of");
  expect(await chosen(undefined, byName, byFlag)).toStartWith("none");
});

test("findAdapter() finds an adapter by a part of its name, whatever the wish it answers", async () => {
  const provider = fakeProvider("p", [geforce, undefined, llvmpipe]);
  expect(await chosen("LLVM", provider)).toBe("llvmpipe");
  expect(await chosen("rtx", provider)).toBe("GeForce RTX");
  expect(await chosen("radeon", provider)).toBe(
    'none: p finds no adapter named "radeon", only GeForce RTX (real), llvmpipe (software)',
  );
});

test("findAdapter() goes on to the next provider where one has nothing", async () => {
  expect(await chosen(undefined, fakeProvider("p", []), fakeProvider("q", [geforce]))).toBe(
    "GeForce RTX",
  );
});

test("findAdapter() asks only the provider that is named", async () => {
  const offered = [fakeProvider("p", [geforce]), fakeProvider("q", [llvmpipe])];
  const found = await findAdapter({ provider: "q" }, offered);
  expect(isUnavailable(found) && found.reason).toContain("q finds only a software adapter");
  await expect(findAdapter({ provider: "r" }, offered)).rejects.toThrow("no provider r");
});

test("findAdapter() refuses Dawn's null backend by name, even when software is asked for", async () => {
  for (const choice of [undefined, "software"]) {
    expect(await chosen(choice, fakeProvider("p", [nothing]))).toContain("null backend");
  }
});

test("findAdapter() refuses an adapter whose kernels take too few operands", async () => {
  const small = { ...geforce, operands: 8 };
  expect(await chosen(undefined, fakeProvider("p", [small]))).toContain("takes 8 operands");
});

test("findAdapter() tells of runtimes that a provider is not made for only when there is no other", async () => {
  expect(await chosen(undefined, absent)).toBe("none: not on this runtime");
  expect(await chosen(undefined, absent, fakeProvider("p", []))).toBe("none: p finds no adapter");
});

test("requireAdapter() says what was asked for, what is wrong and what to do", async () => {
  const error = await requireAdapter({ name: "an adapter that nobody has" }).catch(
    (caught) => caught,
  );
  expect(error.name).toBe("UserError");
  expect(error.message).toStartWith("--device webgpu:an adapter that nobody has: ");
  expect(error.message).toContain("--device cpu");
});

test("describeAdapter() tells provider, adapter, backend, features and limits in one line", async () => {
  const found = await findAdapter({ name: "llvm" }, [fakeProvider("p", [llvmpipe])]);
  if (isUnavailable(found)) throw new Error(found.reason);
  expect(describeAdapter({ ...found.facts, maxWorkgroupSize: 256 })).toBe(
    "webgpu: llvmpipe (software, Vulkan, p); f16; bindings up to 128 MiB, workgroups of 256 with 32 KiB",
  );
});

test("listedVulkanDrivers() looks only where VK_DRIVER_FILES says, when it says something", () => {
  expect(listedVulkanDrivers({ VK_DRIVER_FILES: "/no/such/driver.json" })).toEqual([]);
  expect(listedVulkanDrivers({ VK_DRIVER_FILES: import.meta.filename })).toEqual([
    import.meta.filename,
  ]);
});

test("the second process of a machine does not share the first one's GPU in silence", async () => {
  const found = await findAdapter({}, [fakeProvider("first", [geforce])]);
  if (isUnavailable(found)) throw new Error(found.reason);
  refuseToShare(found, "webgpu", 0);
  for (const words of ["--device auto: process 1", "share GeForce RTX with", "webgpu:NAME"]) {
    expect(() => refuseToShare(found, "auto", 1)).toThrow(words);
  }
});
