import { BalancedTranslator } from "../runtime/balanced_translator.ts";
import { PortTranslator } from "../runtime/port_translator.ts";
import type { EdgeTranslator } from "../runtime/translator.ts";
import type { ThreadSetup } from "./thread_setup.ts";

export interface ThreadOptions extends ThreadSetup {
  readonly threads: number;
  /** Where the thread's entry lies: translator_thread.ts, or onnx_thread.ts. */
  readonly url: string;
}

/**
 * Loads a folder's bundle into threads, each with a copy of the weights: requests run on all of
 * them, and the thread that answers HTTP never waits for a product.
 *
 * @throws UserError if the bundle is refused.
 */
export async function openInThreads(options: ThreadOptions): Promise<EdgeTranslator> {
  const opening = Array.from({ length: Math.max(1, options.threads) }, () => openThread(options));
  const settled = await Promise.allSettled(opening);
  const members = settled.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  const refused = settled.find((each) => each.status === "rejected");
  const [first, ...others] = members;
  if (refused === undefined && first) return new BalancedTranslator([first, ...others]);
  for (const member of members) member.close();
  throw refused?.reason;
}

async function openThread({ folder, kernels, url }: ThreadOptions): Promise<PortTranslator> {
  const worker = new Worker(url, { type: "module" });
  const broken = new Promise<never>((_, reject) => {
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(`translator thread: ${event.message}`));
    };
  });
  const terminate = (): void => worker.terminate();
  const setup: ThreadSetup = { folder, kernels };
  worker.postMessage(setup);
  const translator = await Promise.race([PortTranslator.open(worker, terminate), broken]);
  broken.catch((error: Error) => translator.fail(error));
  return translator;
}
