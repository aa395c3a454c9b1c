// A plug-in for peers under test: a learning rate schedule that tells of every update that this process has
// made (the log tells only what the first of the peers does), that takes its time, so that updates of a
// tiny model last as long as a test wants without work for the processor, and that waits where a test says
// so. The communication thread knows nothing of it.
import { existsSync, writeSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { WeftPlugin } from "../../../src/plugin.ts";

const sleeper = new Int32Array(new SharedArrayBuffer(4));
const sleep = (milliseconds: number): void => {
  if (milliseconds > 0) Atomics.wait(sleeper, 0, 0, milliseconds);
};

/** After update N: prints "made N", goes on `WEFT_PACE` milliseconds later, and once there is no file `WEFT_HOLD`/N. */
const plugin: WeftPlugin = ({ lr_schedulers, lrScheduler, z }) => {
  const pace = Number(process.env.WEFT_PACE ?? 0);
  const holds = process.env.WEFT_HOLD;
  lr_schedulers.add(
    lrScheduler("paced", z.strictObject({}), (_, [rate = 1e-3]) => {
      let last = -1;
      return (updates) => {
        if (updates !== last && updates > 0) {
          writeSync(2, `made ${updates}\n`);
          sleep(pace);
          while (holds !== undefined && existsSync(join(holds, String(updates)))) sleep(5);
        }
        last = updates;
        return rate * Math.min(1, (updates + 1) / 20);
      };
    }),
  );
};

export default plugin;
