// Batches of a set, each translated by one thread alone: a search that has a core to itself waits for no
// other thread, neither between kernels nor while the beams are sorted. Every thread has its own device
// and its own copy of the models, made from the same command line; this thread takes part.
import { UserError } from "../config/user_error.ts";
import type { Hypothesis } from "../decode/hypothesis.ts";
import type { CpuDevice } from "../device/cpu/cpu_device.ts";
import { workerUrl } from "../workers.ts";

/** What a thread of the team is told. */
export interface TeamTask {
  /** The command line behind the command's name. */
  readonly args: readonly string[];
  /** One counter for all threads: the next place in `batchOrder`. */
  readonly next: Int32Array<SharedArrayBuffer>;
  /** Of the team. */
  readonly threads: number;
}

export type TeamReply =
  | { readonly batch: number; readonly found: Hypothesis[][] }
  | { readonly user: UserError["detail"] }
  | { readonly message: string };

/** A batch's translation, by its number in the set's order. */
export type TranslateBatch = (batch: number) => Promise<Hypothesis[][]>;

const FINISHED = 2 ** 30;

/** Models are not copied for every thread where the copies together would be larger. */
const MOST_WEIGHTS = 2 ** 31;

/** The results of one thread that takes all batches. */
export async function* inTurn(
  batches: number,
  translate: TranslateBatch,
): AsyncGenerator<Hypothesis[][]> {
  for (let batch = 0; batch < batches; batch++) yield await translate(batch);
}

/**
 * In which order batches are taken: as they lie, the last ones from the longest to the shortest, so that
 * all threads end at about the same time.
 */
export function batchOrder(batches: number, threads: number): number[] {
  const tail = Math.min(batches, 8 * threads);
  const order = Array.from({ length: batches - tail }, (_, i) => i);
  for (let batch = batches - 1; batch >= batches - tail; batch--) order.push(batch);
  return order;
}

/** Takes batches until none is left, and hands each result on. */
export async function takeBatches(
  next: Int32Array<SharedArrayBuffer>,
  order: readonly number[],
  translate: TranslateBatch,
  done: (batch: number, found: Hypothesis[][]) => Promise<void> | void,
): Promise<void> {
  for (;;) {
    const place = Atomics.add(next, 0, 1);
    if (place >= order.length) return;
    await done(order[place], await translate(order[place]));
  }
}

/** The threads beside this one. They load their models while this one loads its own. */
export class TranslationTeam {
  private readonly threads: number;
  private readonly workers: readonly Worker[];
  private readonly next = new Int32Array(new SharedArrayBuffer(4));
  private readonly found = new Map<number, Hypothesis[][]>();
  private readonly failure = Promise.withResolvers<never>();
  private heard = Promise.withResolvers<void>();

  /**
   * @param device of this thread: the team has as many threads as it.
   * @param args the command line behind the command's name.
   */
  constructor(
    private readonly device: CpuDevice,
    args: readonly string[],
  ) {
    this.threads = device.threads;
    // Nobody may be waiting when a thread fails.
    this.failure.promise.catch(() => undefined);
    const task: TeamTask = { args, next: this.next, threads: this.threads };
    this.workers = Array.from({ length: this.threads - 1 }, () => this.start(task));
  }

  /**
   * Whether so many batches are enough to share. If not, all threads go on together with this one's
   * device; if so, it keeps one.
   */
  divides(batches: number): boolean {
    const { variables } = this.device.memory();
    const enough = batches >= 2 * this.threads && variables * this.threads <= MOST_WEIGHTS;
    if (enough) this.device.keepOneThread();
    else this.close();
    return enough;
  }

  /** Results in the order of the set. @throws what a thread threw. */
  async *translate(batches: number, translate: TranslateBatch): AsyncGenerator<Hypothesis[][]> {
    const order = batchOrder(batches, this.threads);
    const own = takeBatches(this.next, order, translate, async (batch, found) => {
      this.keep(batch, found);
      // Lets what the others found in.
      await new Promise((resolve) => setTimeout(resolve));
    });
    own.catch((error: unknown) => this.failure.reject(error));
    for (let batch = 0; batch < batches; batch++) {
      while (!this.found.has(batch)) {
        await Promise.race([this.heard.promise, this.failure.promise]);
        this.heard = Promise.withResolvers();
      }
      yield this.found.get(batch) ?? [];
      this.found.delete(batch);
    }
  }

  /** Ends the threads; what they were at is lost. */
  close(): void {
    Atomics.store(this.next, 0, FINISHED);
    for (const worker of this.workers) worker.terminate();
  }

  private keep(batch: number, found: Hypothesis[][]): void {
    this.found.set(batch, found);
    this.heard.resolve();
  }

  private start(task: TeamTask): Worker {
    const worker = new Worker(workerUrl("src/cli/generate_thread.ts"), { type: "module" });
    worker.onmessage = ({ data }: MessageEvent<TeamReply>) => {
      if ("batch" in data) this.keep(data.batch, data.found);
      else if ("user" in data) this.failure.reject(new UserError(data.user));
      else this.failure.reject(new Error(data.message));
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.failure.reject(new Error(`a thread of generate: ${event.message}`));
    };
    worker.postMessage(task);
    return worker;
  }
}
