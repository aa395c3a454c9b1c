import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import process from "node:process";
import { compileKernels } from "../../edge/platforms/file_kernels.ts";
import { openInThreads } from "../../edge/platforms/translator_threads.ts";
import { workerUrl } from "../../src/workers.ts";
import { onGpu } from "./onnx/gpu_here.ts";
import { openHere, writeGolden } from "./page/golden_page.ts";
import { temporaryFolder } from "./platforms.ts";
import { until } from "./server/fake_translator.ts";

const { path, remove } = temporaryFolder();
afterAll(remove);

const folder = await writeGolden(join(path, "golden"), "none");
const open = async () =>
  openInThreads({
    ...{ folder, kernels: await compileKernels(), threads: 1 },
    url: workerUrl("edge/platforms/onnx_webgpu_thread.ts"),
    log: () => undefined,
  });

onGpu("a thread of weft serve translates on the GPU, and says so", async () => {
  const [gpu, here] = [await open(), await openHere(folder)];
  expect(gpu.engine).toMatch(/^onnxruntime-web .* on WebGPU \(/);
  const options = { beam: 5, max_len: 12 };
  const [a, b] = [
    await gpu.translate("w5 w6 w7", options),
    await here.translate("w5 w6 w7", options),
  ];
  expect(a.text).toBe(b.text);
  gpu.close();
  here.close();
});

onGpu(
  "a thread breaks down with its GPU, or what that refuses, and another takes its place",
  async () => {
    const lines: string[] = [];
    const translator = await openInThreads({
      ...{ folder: "fake", kernels: await compileKernels(), threads: 1 },
      url: new URL("fixtures/losing_thread.ts", import.meta.url).href,
      log: (line) => lines.push(line),
    });
    for (const [asked, said] of [
      ["lose the GPU", "the GPU was lost"],
      ["misuse the GPU", "the GPU refused a command: "],
    ]) {
      await expect(translator.generate(asked)).rejects.toThrow(said);
      expect(lines.at(-1)).toContain("starting another thread");
      await until(async () => {
        const answer = await translator.generate("w6").catch(() => undefined);
        return answer?.source === "w6";
      });
    }
    translator.close();
  },
);

const refused = "a thread without navigator.gpu names what is missing and what to do";
const refusal = async (): Promise<void> => {
  await expect(open()).rejects.toThrow(
    /onnxruntime-webgpu: there is no navigator.gpu here(.|\n)*Deno/,
  );
};
if ("bun" in process.versions) test(refused, refusal);
else test.skip(`${refused} (Deno has it)`, refusal);
