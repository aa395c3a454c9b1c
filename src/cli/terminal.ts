import process from "node:process";
import type { ProgressState } from "./progress_bar.ts";
import { renderProgress } from "./progress_bar.ts";

/** Work whose advance is shown while it lasts. */
export interface Progress {
  /** @param values shown behind the bar, e.g. `{ loss: "4.21" }`; they stay until replaced. */
  advance(steps?: number, values?: Readonly<Record<string, string>>): void;
  /** Removes the bar. */
  done(): void;
}

/** Where a command's output goes: results to stdout, everything said on the way to stderr. */
export interface Terminal {
  /** One line of results. */
  line(text: string): void;
  /** One line for whoever watches. */
  log(text: string): void;
  /** A bar on a terminal; elsewhere nothing is drawn. */
  progress(label: string, total?: number): Progress;
  /** Whether stderr is a terminal, so that bars can be drawn. */
  readonly isTerminal: boolean;
  /** Width of the terminal, in characters. */
  readonly columns: number;
  /** Resolves when what was written has left the process. */
  flush(): Promise<void>;
}

/** The two streams of a process, as far as a terminal needs them. */
export interface OutputStream {
  write(text: string, written?: () => void): boolean;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

const redrawSeconds = 0.1;

/** A full pipe is tried again after. */
const RETRY_MILLISECONDS = 10;

/** A terminal over the process's own streams, or over others in tests. */
export class StreamTerminal implements Terminal {
  private bar: ProgressLine | undefined;
  private unwritten = 0;
  /** What a full pipe has not taken yet, in order. */
  private readonly late = new Map<OutputStream, (() => void)[]>();
  private onWritten: () => void = () => {};

  constructor(
    private readonly stdout: OutputStream = process.stdout,
    private readonly stderr: OutputStream = process.stderr,
    private readonly now: () => number = () => performance.now() / 1000,
  ) {}

  get isTerminal(): boolean {
    return this.stderr.isTTY === true;
  }

  get columns(): number {
    return this.stderr.columns ?? this.stdout.columns ?? 80;
  }

  line(text: string): void {
    if (this.stdout.isTTY === true) this.bar?.erase();
    this.write(this.stdout, `${text}\n`);
  }

  log(text: string): void {
    this.bar?.erase();
    this.write(this.stderr, `${text}\n`);
    this.bar?.draw();
  }

  progress(label: string, total?: number): Progress {
    if (!this.isTerminal) return { advance() {}, done() {} };
    this.bar?.done();
    const write = (text: string): void => this.write(this.stderr, text);
    this.bar = new ProgressLine(label, total, write, this.now, () => this.columns);
    return this.bar;
  }

  flush(): Promise<void> {
    if (this.unwritten === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.onWritten = resolve;
    });
  }

  /** Writes are counted until done: asking Bun's stdout by an empty write comes back too early. */
  private write(stream: OutputStream, text: string): void {
    this.unwritten += 1;
    const send = (): void => {
      stream.write(text, () => this.leave(1));
    };
    const late = this.late.get(stream) ?? [];
    this.late.set(stream, late);
    late.push(send);
    if (late.length === 1) this.writeLate(late);
  }

  /** So many writes are done with, or given up. */
  private leave(count: number): void {
    this.unwritten -= count;
    if (this.unwritten === 0) this.onWritten();
  }

  /** Bun's streams sometimes throw where nobody reads the pipe in time: no reason to end a training. */
  private writeLate(late: (() => void)[]): void {
    for (let send = late.at(0); send; send = late.at(0)) {
      try {
        send();
      } catch (error) {
        if ((error as { code?: unknown }).code === "EAGAIN") {
          setTimeout(() => this.writeLate(late), RETRY_MILLISECONDS);
          return;
        }
        // Nobody will read what was to follow either.
        this.leave(late.splice(0).length);
        throw error;
      }
      late.shift();
    }
  }
}

/** A bar on the last line of the terminal, redrawn at most ten times a second. */
class ProgressLine implements Progress {
  private steps = 0;
  private values: Readonly<Record<string, string>> = {};
  private readonly startedAt: number;
  private drawnAt = Number.NEGATIVE_INFINITY;
  private finished = false;

  constructor(
    private readonly label: string,
    private readonly total: number | undefined,
    private readonly write: (text: string) => void,
    private readonly now: () => number,
    private readonly columns: () => number,
  ) {
    this.startedAt = now();
  }

  advance(steps = 1, values: Readonly<Record<string, string>> = {}): void {
    this.steps += steps;
    this.values = { ...this.values, ...values };
    if (this.now() - this.drawnAt >= redrawSeconds) this.draw();
  }

  draw(): void {
    if (this.finished) return;
    this.drawnAt = this.now();
    const { label, total, steps: done, values } = this;
    const state: ProgressState = {
      label,
      total,
      done,
      values,
      seconds: this.now() - this.startedAt,
    };
    this.erase();
    this.write(renderProgress(state, this.columns() - 1));
  }

  /** Clears the line the bar stands on. */
  erase(): void {
    if (!this.finished) this.write("\r\x1b[K");
  }

  done(): void {
    this.erase();
    this.finished = true;
  }
}
