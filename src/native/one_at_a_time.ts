// What concerns a whole process, done from threads that share no JavaScript: a lock that the system keeps.
import process from "node:process";
import type { NativeLibrary, NativeRuntime } from "./native_runtime.ts";

// fcntl.h and sys/file.h, the same on all of Linux's architectures that Bun and Deno run on.
const O_CLOEXEC = 0o2000000;
const LOCK_EX = 2;

/**
 * Runs `body` while no other thread, of this process or of another with the same executable, is in a call of
 * this function. Waits for its turn, which should therefore be short. On a file system that keeps no locks,
 * as some network ones, `body` runs without. @param libc the C library. @throws what `body` throws.
 */
export function oneAtATime<Result>(
  runtime: NativeRuntime,
  libc: NativeLibrary,
  body: () => Result,
): Result {
  const open = libc.find("open", ["address", "i32"], "i32");
  const flock = libc.find("flock", ["i32", "i32"], "i32");
  const close = libc.find("close", ["i32"], "i32");
  const path = new TextEncoder().encode(`${process.execPath}\0`);
  // Every opening has a lock of its own, within a process, too.
  const descriptor = Number(open?.(runtime.addressOf(path), O_CLOEXEC) ?? -1);
  flock?.(descriptor, LOCK_EX);
  try {
    return body();
  } finally {
    // Which unlocks.
    close?.(descriptor);
  }
}
