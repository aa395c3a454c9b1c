import { workerUrl } from "../../src/workers.ts";
import { BalancedTranslator } from "../runtime/balanced_translator.ts";
import { PortTranslator } from "../runtime/port_translator.ts";
import type { EdgeTranslator } from "../runtime/translator.ts";

/**
 * Loads a folder's bundle into threads, each with a copy of the weights: requests run on all of
 * them, and the thread that answers HTTP never waits for a product.
 *
 * @throws UserError if the bundle is refused.
 */
export async function openInThreads(folder: string, threads: number): Promise<EdgeTranslator> {
  const opening = Array.from({ length: Math.max(1, threads) }, () => openThread(folder));
  const settled = await Promise.allSettled(opening);
  const members = settled.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  const refused = settled.find((each) => each.status === "rejected");
  const [first, ...others] = members;
  if (refused === undefined && first !== undefined)
    return new BalancedTranslator([first, ...others]);
  for (const member of members) member.close();
  throw refused?.reason;
}

async function openThread(folder: string): Promise<PortTranslator> {
  const url = workerUrl("edge/platforms/translator_thread.ts");
  const worker = new Worker(url, { type: "module" });
  const broken = new Promise<never>((_, reject) => {
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(`translator thread: ${event.message}`));
    };
  });
  const terminate = (): void => worker.terminate();
  worker.postMessage({ folder });
  const translator = await Promise.race([PortTranslator.open(worker, terminate), broken]);
  broken.catch((error: Error) => translator.fail(error));
  return translator;
}
