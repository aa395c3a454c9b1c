import process from "node:process";

/** Process id of the launcher, in the environment of what it started. */
export const LAUNCHER = "WEFT_LAUNCHER";

const LOOK_EVERY = 1000;

/**
 * Has this process end as by SIGTERM once the launcher that started it is gone: after a kill -9 of it, or
 * with its terminal, nobody would know of the processes any more.
 */
export function endWithLauncher(): void {
  const launcher = Number(process.env[LAUNCHER]);
  // The variable goes on to the children of children, whose end is their parents' business.
  if (launcher !== process.ppid) return;
  const timer = setInterval(() => {
    if (process.ppid === launcher) return;
    clearInterval(timer);
    process.kill(process.pid, "SIGTERM");
  }, LOOK_EVERY);
  timer.unref();
}
