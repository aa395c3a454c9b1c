// A thread of one_at_a_time.test.ts: adds to a number in shared memory, in two steps with a pause between.
import { parentPort, workerData } from "node:worker_threads";
import { libcLibrary } from "../../src/native/libc_library.ts";
import { nativeRuntime } from "../../src/native/native_runtime.ts";
import { oneAtATime } from "../../src/native/one_at_a_time.ts";

const { numbers, times } = workerData as { numbers: Int32Array; times: number };
const runtime = await nativeRuntime();
if ("reason" in runtime) throw new Error(runtime.reason);
const libc = libcLibrary(runtime);
if ("reason" in libc) throw new Error(libc.reason);
for (let time = 0; time < times; time++) {
  oneAtATime(runtime, libc, () => {
    const before = numbers[0];
    // Sleeps: nobody ever changes the second number.
    Atomics.wait(numbers, 1, 0, 1);
    numbers[0] = before + 1;
  });
}
parentPort?.postMessage("done");
