import { expect, test } from "bun:test";
import process from "node:process";
import { Worker } from "node:worker_threads";
import { libcLibrary } from "../../src/native/libc_library.ts";
import { nativeRuntime } from "../../src/native/native_runtime.ts";
import { oneAtATime } from "../../src/native/one_at_a_time.ts";

const linuxTest = process.platform === "linux" ? test : test.skip;

linuxTest("oneAtATime() keeps threads of a process out of each other's way", async () => {
  const [threads, times] = [4, 20];
  const numbers = new Int32Array(new SharedArrayBuffer(8));
  const ends = Array.from({ length: threads }, () => {
    const worker = new Worker(new URL("./one_at_a_time_thread.ts", import.meta.url), {
      workerData: { numbers, times },
    });
    return new Promise((resolve, reject) => {
      worker.once("message", resolve).once("error", reject);
    }).finally(() => worker.terminate());
  });
  expect(await Promise.all(ends)).toEqual(Array(threads).fill("done"));
  expect(numbers[0]).toBe(threads * times);
});

linuxTest("oneAtATime() lets the next one in when the body throws", async () => {
  const runtime = await nativeRuntime();
  if ("reason" in runtime) throw new Error(runtime.reason);
  const libc = libcLibrary(runtime);
  if ("reason" in libc) throw new Error(libc.reason);
  const fail = (): never => {
    throw new Error("no");
  };
  expect(() => oneAtATime(runtime, libc, fail)).toThrow("no");
  expect(oneAtATime(runtime, libc, () => 3)).toBe(3);
});
