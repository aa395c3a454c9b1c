import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { FileFence } from "../../../cluster/fence/file_fence.ts";
import { startScript } from "../support/script.ts";

const top = mkdtempSync(join(tmpdir(), "weft-fence-"));
afterAll(() => rmSync(top, { recursive: true, force: true }));

let count = 0;
const newFolder = (): string => join(top, `fence-${++count}`);
const racer = join(import.meta.dirname, "racer.ts");

/** One process that wins `times` times, alone. */
async function win(fence: FileFence, from: number, times: number): Promise<void> {
  for (let generation = from; generation < from + times; generation++) {
    await fence.swap(generation - 1, { generation, view: null });
  }
}

test("a FileFence holds nothing, then what was swapped in", async () => {
  const fence = new FileFence(newFolder());
  expect(await fence.read()).toBeUndefined();
  const first = { generation: 1, view: { members: [0, 1, 2], note: "é" } };
  expect(await fence.swap(0, first)).toBe(first);
  expect(await fence.read()).toEqual(first);
  const later = { generation: 7, view: { members: [0, 2] } };
  expect(await fence.swap(1, later)).toBe(later);
  expect(await fence.read()).toEqual(later);
});

test("swap() gives what stands where another generation was expected", async () => {
  const folder = newFolder();
  const [left, right] = [new FileFence(folder), new FileFence(folder)];
  await left.swap(0, { generation: 1, view: "left" });
  expect(await right.swap(0, { generation: 1, view: "right" })).toMatchObject({ view: "left" });
  expect(await right.swap(4, { generation: 5, view: "right" })).toMatchObject({ view: "left" });
  expect(await right.swap(1, { generation: 2, view: "right" })).toMatchObject({ view: "right" });
});

test("swap() refuses a generation that does not follow, and a view that is too large", async () => {
  const fence = new FileFence(newFolder());
  await expect(fence.swap(3, { generation: 3, view: null })).rejects.toThrow(RangeError);
  const view = "x".repeat(2 ** 20);
  await expect(fence.swap(0, { generation: 1, view })).rejects.toThrow(/at most 1048576/);
  expect(await fence.read()).toBeUndefined();
});

test("eight processes race, and every generation has exactly one winner", async () => {
  const folder = newFolder();
  const racers = Array.from({ length: 8 }, () => startScript(racer, [folder, "10"]));
  const outcomes = await Promise.all(racers.map(({ ended }) => ended));
  expect(outcomes.map(({ code }) => code)).toEqual(Array(8).fill(0));
  const won = outcomes.flatMap(({ output }) => (JSON.parse(output) as { won: number[] }).won);
  // 80 wins were reported; each is of another generation, and none was lost on the way.
  expect(won.sort((a, b) => a - b)).toEqual(Array.from({ length: 80 }, (_, index) => index + 1));
  expect(await new FileFence(folder).read()).toMatchObject({ generation: 80 });
  expect(readdirSync(folder).filter((name) => !name.endsWith(".json"))).toEqual([]);
});

test("processes that are killed while they race leave a register that goes on", async () => {
  const folder = newFolder();
  const racers = Array.from({ length: 3 }, () => startScript(racer, [folder, "1000000"]));
  const fence = new FileFence(folder);
  for (const { child, ended } of racers) {
    const before = (await fence.read())?.generation ?? 0;
    while (((await fence.read())?.generation ?? 0) < before + 5) await setTimeout(5);
    child.kill("SIGKILL");
    await ended;
  }
  const standing = (await fence.read())?.generation ?? 0;
  expect(standing).toBeGreaterThanOrEqual(15);
  const next = { generation: standing + 1, view: "survivor" };
  expect(await fence.swap(standing, next)).toBe(next);
});

test("old records and what killed processes left beside them are removed", async () => {
  const folder = newFolder();
  mkdirSync(folder);
  writeFileSync(join(folder, "aside-3-0123456789abcdef.tmp"), '{"writ');
  await win(new FileFence(folder), 1, 110);
  const left = readdirSync(folder).sort();
  expect([left.length, left[0], left.at(-1)]).toEqual([
    ...[101, "000000000010.json", "000000000110.json"],
  ]);
});

test("a swap that listed the folder long ago loses, although its number is free again", async () => {
  const folder = newFolder();
  const fence = new FileFence(folder);
  await win(fence, 1, 1);
  // What a process does that stood still between looking and linking: take number 2, long removed.
  await win(fence, 2, 109);
  const stale = JSON.stringify({ writer: "stale", generation: 2, view: "stale" });
  writeFileSync(join(folder, "000000000002.json"), stale);
  expect(await fence.read()).toEqual({ generation: 110, view: null });
  await win(fence, 111, 1);
  expect(readdirSync(folder)).not.toContain("000000000002.json");
});

test("a FileFence names the folder that it cannot use", async () => {
  const file = join(top, "a-file");
  writeFileSync(file, "");
  const fence = new FileFence(file);
  await expect(fence.swap(0, { generation: 1, view: null })).rejects.toThrow(
    `--fence file:${file}: there is a file where a folder should be`,
  );
  const strange = newFolder();
  mkdirSync(strange);
  writeFileSync(join(strange, "000000000001.json"), "hello");
  await expect(new FileFence(strange).read()).rejects.toThrow(/"hello" is not a record of a fence/);
});

test("a register that is emptied under a running job is an error, not a fresh start", async () => {
  const folder = newFolder();
  const fence = new FileFence(folder);
  await win(fence, 1, 2);
  rmSync(folder, { recursive: true });
  await expect(fence.swap(2, { generation: 3, view: null })).rejects.toThrow(
    /nothing stands there, and generation 2 should/,
  );
});
