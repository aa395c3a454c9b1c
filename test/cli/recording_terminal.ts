import type { OutputStream, Terminal } from "../../src/cli/terminal.ts";
import { StreamTerminal } from "../../src/cli/terminal.ts";

/** A stream that keeps what is written to it. */
export class RecordingStream implements OutputStream {
  text = "";
  constructor(
    readonly isTTY = false,
    readonly columns = 80,
  ) {}

  write(text: string, written?: () => void): boolean {
    this.text += text;
    written?.();
    return true;
  }
}

/** A terminal with its two streams and a clock that a test moves. */
export function recordingTerminal(isTerminal = false): {
  terminal: Terminal;
  stdout: RecordingStream;
  stderr: RecordingStream;
  clock: { seconds: number };
} {
  const stdout = new RecordingStream(isTerminal);
  const stderr = new RecordingStream(isTerminal);
  const clock = { seconds: 0 };
  const terminal = new StreamTerminal(stdout, stderr, () => clock.seconds);
  return { terminal, stdout, stderr, clock };
}
