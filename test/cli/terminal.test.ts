import { expect, test } from "bun:test";
import { formatDuration, renderProgress } from "../../src/cli/progress_bar.ts";
import { StreamTerminal } from "../../src/cli/terminal.ts";
import { RecordingStream, recordingTerminal } from "./recording_terminal.ts";

test("Terminal keeps results and log apart, and draws nothing outside a terminal", () => {
  const { terminal, stdout, stderr } = recordingTerminal();
  const progress = terminal.progress("training", 10);
  terminal.line("result");
  progress.advance(5);
  terminal.log("said");
  progress.done();
  expect([stdout.text, stderr.text]).toEqual(["result\n", "said\n"]);
});

test("Terminal writes log lines above its bar, and leaves no bar behind", () => {
  const { terminal, stderr, clock } = recordingTerminal(true);
  const progress = terminal.progress("training", 10);
  clock.seconds = 1;
  progress.advance(5, { loss: "4.2" });
  terminal.log("said");
  progress.done();
  terminal.log("after");
  const erased = "\r\x1b[K";
  const bar = "training [##########          ] 5/10 5.00/s 0:01 left, loss 4.2";
  expect(stderr.text).toBe(`${erased}${bar}${erased}said\n${erased}${bar}${erased}after\n`);
});

test("Terminal redraws its bar at most ten times a second", () => {
  const { terminal, stderr, clock } = recordingTerminal(true);
  const progress = terminal.progress("reading");
  for (let i = 0; i < 1000; i++) {
    clock.seconds = i / 1000;
    progress.advance();
  }
  const draws = stderr.text.split("reading").length - 1;
  expect(draws).toBeGreaterThanOrEqual(9);
  expect(draws).toBeLessThanOrEqual(10);
});

test("Terminal.flush() waits for the last write", async () => {
  const callbacks: (() => void)[] = [];
  const slow = {
    write: (_: string, written?: () => void): boolean => callbacks.push(written ?? (() => {})) < 0,
  };
  const terminal = new StreamTerminal(slow, new RecordingStream());
  terminal.line("a");
  terminal.line("b");
  let flushed = false;
  const waiting = terminal.flush().then(() => {
    flushed = true;
  });
  callbacks[0]?.();
  await Promise.resolve();
  expect(flushed).toBe(false);
  callbacks[1]?.();
  await waiting;
  expect(flushed).toBe(true);
});

test("renderProgress() fits the width it is given", () => {
  const state = { label: "training", done: 7, total: 9, seconds: 70, values: { loss: "4.21" } };
  expect(renderProgress(state, 200)).toBe(
    "training [###############     ] 7/9 0.100/s 0:20 left, loss 4.21",
  );
  expect(renderProgress(state, 20)).toBe("training [##########");
  expect(renderProgress({ ...state, done: 0, total: 0, values: {} }, 80)).toBe("training 0/0 1:10");
});

test("formatDuration() writes seconds, minutes and hours", () => {
  expect([0, 7.4, 754, 3723].map(formatDuration)).toEqual(["0:00", "0:07", "12:34", "1:02:03"]);
});

test("Terminal tries again what a full pipe refuses, in order, and leaves the other stream alone", async () => {
  const out = new RecordingStream();
  let refusals = 0;
  const full = {
    text: "",
    write(text: string, written?: () => void): boolean {
      if (refusals > 0) {
        refusals--;
        throw Object.assign(new Error("EAGAIN: resource temporarily unavailable, write"), {
          code: "EAGAIN",
        });
      }
      this.text += text;
      written?.();
      return true;
    },
  };
  const terminal = new StreamTerminal(out, full);
  terminal.log("first");
  refusals = 3;
  terminal.log("second");
  terminal.log("third");
  terminal.line("result");
  expect([full.text, out.text]).toEqual(["first\n", "result\n"]);
  await terminal.flush();
  expect(full.text).toBe("first\nsecond\nthird\n");
  const broken = {
    write: (): boolean => {
      throw new Error("EIO");
    },
  };
  const unheard = new StreamTerminal(out, broken);
  expect(() => unheard.log("lost")).toThrow("EIO");
  expect(() => unheard.log("lost, too")).toThrow("EIO");
  await unheard.flush();
});
