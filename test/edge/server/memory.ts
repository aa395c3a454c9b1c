import { memoryUsage } from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Bytes of the heap that are still wanted: garbage is collected first. */
export function bytesInUse(): number {
  collectGarbage();
  return memoryUsage().heapUsed;
}

function collectGarbage(): void {
  const { Bun: bun } = globalThis as { Bun?: { gc(force: boolean): void } };
  if (bun !== undefined) {
    bun.gc(true);
    return;
  }
  // V8 hands its collector only to those who ask with a flag, which may be set late.
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
}
