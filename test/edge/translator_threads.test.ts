import { expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compileKernels } from "../../edge/platforms/file_kernels.ts";
import { openInThreads } from "../../edge/platforms/translator_threads.ts";
import { temporaryFolder } from "./platforms.ts";
import { until } from "./server/fake_translator.ts";

const url = new URL("fixtures/breaking_thread.ts", import.meta.url).href;

test("a thread that breaks down takes its own requests along, and another takes its place", async () => {
  const lines: string[] = [];
  const translator = await openInThreads({
    ...{ folder: "fake", kernels: await compileKernels(), threads: 2, url },
    log: (line) => lines.push(line),
  });
  await expect(translator.generate("break down")).rejects.toThrow("as it was asked to");
  expect(lines[0]).toContain("a translating thread broke down");
  // The other thread answers meanwhile.
  for (let i = 0; i < 4; i++) expect((await translator.generate("w5")).source).toBe("w5");
  // More breakdowns than there were threads: each had a successor.
  for (let i = 0; i < 3; i++) {
    await expect(translator.generate("break down")).rejects.toThrow("as it was asked to");
    await until(async () => {
      const answer = await translator.generate("w6").catch(() => undefined);
      return answer?.source === "w6";
    });
  }
  expect(lines.length).toBe(4);
  translator.close();
  await expect(translator.generate("w7")).rejects.toThrow();
});

test("a thread that cannot be started again is tried until it can, and meanwhile nothing is ready", async () => {
  const lines: string[] = [];
  const { path: folder, remove } = temporaryFolder();
  const refuse = join(folder, "refuse");
  const translator = await openInThreads({
    ...{ folder, kernels: await compileKernels(), threads: 1, url, retryMilliseconds: 5 },
    log: (line) => lines.push(line),
  });
  expect(translator.isReady).toBe(true);
  writeFileSync(refuse, "");
  await expect(translator.generate("break down")).rejects.toThrow("as it was asked to");
  expect(translator.isReady).toBe(false);
  await until(() => lines.length >= 3);
  expect(lines[1]).toContain("trying again in 0.005 s: refused as it was asked to");
  expect(lines[2]).toContain("trying again in 0.01 s");
  expect(translator.isReady).toBe(false);
  rmSync(refuse);
  await until(() => translator.isReady);
  expect((await translator.generate("w5")).source).toBe("w5");
  translator.close();
  expect(translator.isReady).toBe(false);
  remove();
});
