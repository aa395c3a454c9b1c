import { expect, test } from "bun:test";
import { infoSources } from "../../src/cli/info.ts";
import { listAdapters } from "../../src/device/webgpu/adapter.ts";
import type { OpenProvider, Provider } from "../../src/device/webgpu/provider.ts";

function provider(name: string, description: string | undefined, backend: string): Provider {
  const info = { description, device: "", vendor: "", architecture: "" };
  const adapter = { info, limits: {}, features: new Set() } as unknown as GPUAdapter;
  const opened: OpenProvider = {
    requestAdapter: async () => (description === undefined ? null : adapter),
    nativeFacts: () => ({ backend }),
    discard() {},
  };
  return { name, open: async () => opened };
}

test("weft info has a section for each part, and each has lines", async () => {
  const sections = await Promise.all(infoSources.map((source) => source()));
  expect(sections.map(({ title }) => title)).toEqual([
    ...["versions", "machine", "device cpu", "device webgpu"],
  ]);
  for (const { lines } of sections) expect(lines.length).toBeGreaterThan(0);
  expect(sections[2].lines[0]).toMatch(/^cpu: \d+ threads?, products by /);
});

test("listAdapters() names each adapter once, and says of every other provider why it has none", async () => {
  const closed: Provider = { name: "closed", open: async () => ({ reason: "r", remedy: "m" }) };
  const reports = await listAdapters([
    provider("good", "GeForce RTX", "Vulkan"),
    provider("empty", undefined, "Vulkan"),
    provider("zeros", "null-backend", "null"),
    closed,
  ]);
  expect(reports.map(({ adapters }) => adapters.map(({ name }) => name))).toEqual([
    ...[["GeForce RTX"], [], [], []],
  ]);
  expect(reports.map(({ refusal }) => refusal?.reason.split(",")[0])).toEqual([
    ...[undefined, "empty finds no adapter"],
    ...["zeros finds no usable driver and offers Dawn's null backend", "r"],
  ]);
});
