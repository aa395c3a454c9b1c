import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../../cluster/launch/free_ports.ts";
import { Launcher } from "../../../cluster/launch/launcher.ts";

interface Launched {
  readonly launcher: Launcher;
  /** What was written to each stream, and said of the processes. */
  readonly out: () => string[];
  readonly err: () => string[];
  readonly said: string[];
  /** Resolves once that is written to stdout. */
  wrote(line: string): Promise<void>;
}

/** `processes` shells that run a script, in which $RANK is their rank. */
function launched(script: string, processes: number, restarts = 0): Launched {
  const texts = { out: "", err: "" };
  const said: string[] = [];
  let heard = (): void => undefined;
  const into = (name: "out" | "err") => ({
    write(bytes: Uint8Array, written: () => void) {
      texts[name] += new TextDecoder().decode(bytes);
      heard();
      written();
    },
  });
  const lines = (name: "out" | "err") => () => texts[name].split("\n").filter(Boolean).sort();
  const launcher = new Launcher({
    ...{ command: ["/bin/sh", "-c", script], processes, restarts, say: (line) => said.push(line) },
    ...{ grace: 400, environment: (rank) => ({ RANK: String(rank) }) },
    ...{ stdout: into("out"), stderr: into("err") },
  });
  return {
    ...{ launcher, said, out: lines("out"), err: lines("err") },
    async wrote(line) {
      while (!texts.out.includes(`${line}\n`)) {
        await new Promise<void>((resolve) => {
          heard = resolve;
        });
      }
    },
  };
}

test("Launcher joins the lines of all processes, each with its rank, and keeps the streams apart", async () => {
  const { launcher, out, err, said } = launched("printf 'a\\nb'; echo e >&2", 3);
  expect(await launcher.run()).toBe(0);
  expect(out()).toEqual(["[0] a", "[0] b", "[1] a", "[1] b", "[2] a", "[2] b"]);
  expect(err()).toEqual(["[0] e", "[1] e", "[2] e"]);
  expect(said).toEqual([]);
});

test("Launcher waits for all, ends those who still run after a failure, and gives the first one's code", async () => {
  // Rank 3 was told to go; rank 2 fails; rank 0 ends well in time; rank 1 would wait for ever.
  const script =
    "case $RANK in 3) exit 143;; 2) sleep 0.2; exit 7;; 0) sleep 0.3; echo done;; " +
    "1) trap 'echo bye; exit 5' TERM; while :; do sleep 0.02; done;; esac";
  const { launcher, out, said } = launched(script, 4, 3);
  expect(await launcher.run()).toBe(143);
  expect(out()).toEqual(["[0] done", "[1] bye"]);
  expect(said).toEqual([
    "rank 3 ended with exit code 143; 3 of 4 go on",
    "rank 2 ended with exit code 7",
    "ending the others, for rank 2 has failed",
    "rank 3 ended with exit code 143; rank 2 ended with exit code 7; rank 1 ended with exit code 5; " +
      "1 of 4 ended well: exit code 143, of rank 3",
  ]);
});

test("Launcher starts again what a signal ended, so often and no more", async () => {
  const folder = mkdtempSync(join(tmpdir(), "weft-launcher-"));
  try {
    const starts = join(folder, "starts");
    // Rank 1 kills itself at every start; rank 0 waits until that has happened often enough.
    const script = (times: number) =>
      `if [ $RANK = 1 ]; then echo x >> ${starts}; kill -9 $$; fi; ` +
      `until [ "$(wc -l < ${starts})" -ge ${times} ]; do sleep 0.02; done; sleep 0.1`;
    const once = launched(script(3), 2, 2);
    expect(await once.launcher.run()).toBe(137);
    expect(readFileSync(starts, "utf8")).toBe("x\nx\nx\n");
    expect(once.said).toEqual([
      "rank 1 was ended by SIGKILL: starting it again (1 of 2)",
      "rank 1 was ended by SIGKILL: starting it again (2 of 2)",
      "rank 1 was ended by SIGKILL; 1 of 2 go on",
      "rank 1 was ended by SIGKILL; 1 of 2 ended well: exit code 137, of rank 1",
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("Launcher passes a signal on once, restarts nobody then, and kills by the next", async () => {
  const ends = "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.02; done";
  const gentle = launched(ends, 2, 5);
  const code = gentle.launcher.run();
  await gentle.wrote("[0] ready");
  await gentle.wrote("[1] ready");
  gentle.launcher.signal("SIGTERM");
  expect(await code).toBe(3);
  expect(gentle.out()).toEqual(["[0] bye", "[0] ready", "[1] bye", "[1] ready"]);

  const stubborn = launched("trap '' TERM; echo ready; while :; do sleep 0.02; done", 1, 5);
  const killed = stubborn.launcher.run();
  await stubborn.wrote("[0] ready");
  stubborn.launcher.signal("SIGTERM");
  stubborn.launcher.signal("SIGINT");
  expect(await killed).toBe(137);
  expect(stubborn.said).toEqual([
    "SIGTERM: passed on to all processes; once more kills them",
    "SIGINT after SIGTERM: killing all processes",
    "rank 0 was ended by SIGKILL: exit code 137, of rank 0",
  ]);
});

test("freePorts() gives different ports on which one can listen", async () => {
  const ports = await freePorts(20);
  expect(new Set(ports).size).toBe(20);
});
