import { UserError } from "../config/user_error.ts";
import { workerUrl } from "../workers.ts";
import { type LineRange, lineRanges } from "./line_ranges.ts";
import {
  countWords,
  type EncodedLines,
  type EncodeSettings,
  lineEncoder,
  type WordCounts,
} from "./text_task.ts";

export type TextRequest =
  | { kind: "prepare"; settings: EncodeSettings }
  | { kind: "count" | "encode"; range: LineRange };

export type TextReply =
  | { kind: "counted"; result: WordCounts }
  | { kind: "encoded"; result: EncodedLines }
  | { kind: "failed"; user?: UserError["detail"]; message?: string };

/** Small enough that a few ranges fit in memory, large enough that messages cost nothing. */
const RANGE_BYTES = 4 << 20;

/** Works on text files in ranges of lines, here or in `--workers` threads; results come in order. */
export class TextWorkers {
  readonly #workers: TextWorker[];

  readonly #rangeBytes: number;

  /**
   * @param count 1 works in this thread.
   * @param rangeBytes about how much is worked on at a time.
   */
  constructor(count: number, rangeBytes = RANGE_BYTES) {
    this.#rangeBytes = rangeBytes;
    this.#workers = Array.from({ length: count <= 1 ? 0 : count }, () => new TextWorker());
  }

  /** Counts the words of a file, range by range. */
  async *count(path: string): AsyncGenerator<WordCounts> {
    for await (const reply of this.#run("count", path, countWords)) {
      if (reply.kind === "counted") yield reply.result;
    }
  }

  /** Encodes the lines of a file, range by range. */
  async *encode(path: string, settings: EncodeSettings): AsyncGenerator<EncodedLines> {
    for (const worker of this.#workers) worker.prepare(settings);
    const here = this.#workers.length === 0 ? lineEncoder(settings) : undefined;
    for await (const reply of this.#run("encode", path, here)) {
      if (reply.kind === "encoded") yield reply.result;
    }
  }

  /** Ends the threads. */
  close(): void {
    for (const worker of this.#workers) worker.close();
  }

  async *#run(
    kind: "count" | "encode",
    path: string,
    here?: (range: LineRange) => WordCounts | EncodedLines,
  ): AsyncGenerator<TextReply> {
    const ranges = lineRanges(path, this.#rangeBytes);
    if (this.#workers.length === 0) {
      for (const range of ranges) {
        const result = here?.(range);
        if (result) yield toReply(result);
      }
      return;
    }
    // Range i goes to worker i mod N, which has two at most: one at work, one waiting.
    const pending: Promise<TextReply>[] = [];
    const limit = 2 * this.#workers.length;
    const start = (i: number): void => {
      const range = ranges[i];
      const worker = this.#workers[i % this.#workers.length];
      if (!range || !worker) return;
      pending[i] = worker.ask(kind, range);
    };
    for (let i = 0; i < limit; i++) start(i);
    for (let i = 0; i < ranges.length; i++) {
      const reply = await pending[i];
      delete pending[i];
      start(i + limit);
      if (reply) yield reply;
    }
  }
}

const toReply = (result: WordCounts | EncodedLines): TextReply =>
  "words" in result ? { kind: "counted", result } : { kind: "encoded", result };

/** A thread that is asked and answers, in the order it was asked. */
class TextWorker {
  readonly #worker = new Worker(workerUrl("src/data/text_worker.ts"), { type: "module" });
  readonly #asked: PromiseWithResolvers<TextReply>[] = [];

  constructor() {
    this.#worker.onmessage = ({ data }: MessageEvent<TextReply>) => {
      const asked = this.#asked.shift();
      if (data.kind !== "failed") asked?.resolve(data);
      else asked?.reject(data.user ? new UserError(data.user) : new Error(data.message));
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      for (const asked of this.#asked.splice(0)) {
        asked.reject(new Error(`text worker: ${event.message}`));
      }
    };
  }

  prepare(settings: EncodeSettings): void {
    this.#send({ kind: "prepare", settings });
  }

  ask(kind: "count" | "encode", range: LineRange): Promise<TextReply> {
    const asked = Promise.withResolvers<TextReply>();
    // A failure is thrown when its turn comes; until then it is not an unhandled one.
    asked.promise.catch(() => undefined);
    this.#asked.push(asked);
    this.#send({ kind, range });
    return asked.promise;
  }

  close(): void {
    this.#worker.terminate();
  }

  #send(request: TextRequest): void {
    this.#worker.postMessage(request);
  }
}
