// A plug-in for peers under test: a learning rate schedule that tells of every update that this process has
// made (the log tells only what the first of the peers does), and that takes its time, so that updates of a
// tiny model last as long as a test wants without work for the processor. The communication thread knows
// nothing of it.
import { existsSync, writeSync } from "node:fs";
import process from "node:process";
import type { WeftPlugin } from "../../../src/plugin.ts";

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** While there is a file named like `WEFT_HURRY` with "-hang" and the rank behind it, it never wakes up. */
const hangsAt = (hurry: string): boolean =>
  existsSync(`${hurry}-hang${process.env.WEFT_PACED_RANK}`);

/** Prints "made N" after update N, and sleeps for `WEFT_PACE` milliseconds until there is a file `WEFT_HURRY`. */
const plugin: WeftPlugin = ({ lr_schedulers, lrScheduler, z }) => {
  const pace = Number(process.env.WEFT_PACE ?? 0);
  const hurry = process.env.WEFT_HURRY ?? "";
  lr_schedulers.add(
    lrScheduler("paced", z.strictObject({}), (_, [rate = 1e-3]) => {
      let last = -1;
      return (updates) => {
        if (updates !== last && updates > 0) {
          writeSync(2, `made ${updates}\n`);
          if (hangsAt(hurry)) Atomics.wait(sleeper, 0, 0);
          if (pace > 0 && !existsSync(hurry)) Atomics.wait(sleeper, 0, 0, pace);
        }
        last = updates;
        return rate * Math.min(1, (updates + 1) / 20);
      };
    }),
  );
};

export default plugin;
