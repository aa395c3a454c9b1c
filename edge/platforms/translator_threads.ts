import { BalancedTranslator } from "../runtime/balanced_translator.ts";
import { PortTranslator } from "../runtime/port_translator.ts";
import type { EdgeTranslator } from "../runtime/translator.ts";
import type { ThreadSetup } from "./thread_setup.ts";

export interface ThreadOptions extends ThreadSetup {
  readonly threads: number;
  /** Where the thread's entry lies: translator_thread.ts, or onnx_thread.ts. */
  readonly url: string;
  /** Hears of threads that break down. */
  readonly log: (line: string) => void;
  /** Wait before the second try to start a thread; each further one is twice as long, up to a minute. */
  readonly retryMilliseconds?: number;
}

const LONGEST_WAIT = 60_000;

/**
 * Loads a folder's bundle into threads, each with a copy of the weights: requests run on all of
 * them, and the thread that answers HTTP never waits for a product. A thread that breaks down takes its
 * requests along, and another one is started in its place; if that fails, it is tried again until it is closed.
 *
 * @throws UserError if the bundle is refused.
 */
export async function openInThreads(options: ThreadOptions): Promise<EdgeTranslator> {
  const members: PortTranslator[] = [];
  let isClosed = false;
  const waits = new Set<ReturnType<typeof setTimeout>>();
  const open = (place: number): Promise<PortTranslator> =>
    openThread(options, (error) => {
      if (isClosed) return;
      options.log(`${options.folder}: ${error.message}; starting another thread`);
      void reopen(place, options.retryMilliseconds ?? 1000);
    });
  const reopen = async (place: number, wait: number): Promise<void> => {
    try {
      const member = await open(place);
      members[place] = member;
      if (isClosed) member.close();
    } catch (cause) {
      if (isClosed) return;
      const reason = cause instanceof Error ? cause.message : String(cause);
      const announced = `trying again in ${wait / 1000} s`;
      options.log(`${options.folder}: no other thread could be started, ${announced}: ${reason}`);
      const timer = setTimeout(() => {
        waits.delete(timer);
        void reopen(place, Math.min(2 * wait, LONGEST_WAIT));
      }, wait);
      waits.add(timer);
    }
  };
  const count = Math.max(1, options.threads);
  const settled = await Promise.allSettled(Array.from({ length: count }, (_, i) => open(i)));
  for (const each of settled) if (each.status === "fulfilled") members.push(each.value);
  const close = (): void => {
    isClosed = true;
    for (const timer of waits) clearTimeout(timer);
    for (const member of members) member.close();
  };
  const refused = settled.find((each) => each.status === "rejected");
  if (refused === undefined) return new BalancedTranslator(members, close);
  close();
  throw refused.reason;
}

/** @param onBroken called when the thread breaks down after it was ready. */
async function openThread(
  { folder, kernels, url }: ThreadOptions,
  onBroken: (error: Error) => void,
): Promise<PortTranslator> {
  const worker = new Worker(url, { type: "module" });
  const terminate = (): void => worker.terminate();
  const broken = new Promise<never>((_, reject) => {
    worker.onerror = (event) => {
      event.preventDefault();
      // Bun's message shows the source around the error.
      const [said = event.message] = /error: .*/i.exec(event.message) ?? [];
      reject(new Error(`a translating thread broke down: ${said}`));
    };
  });
  const setup: ThreadSetup = { folder, kernels };
  worker.postMessage(setup);
  try {
    const translator = await Promise.race([PortTranslator.open(worker, terminate), broken]);
    broken.catch((error: Error) => {
      translator.fail(error);
      onBroken(error);
    });
    return translator;
  } catch (error) {
    terminate();
    throw error;
  }
}
