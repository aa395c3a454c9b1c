// Several threads that decode a sentence each at the same time, every one with a copy of the model.
import type { BundleFiles } from "../../edge/export/bundle_files.ts";
import type { Cost, DecodingEngine, EngineName, Sentence } from "./decoding_engine.ts";
import type { ThreadSetup } from "./decoding_thread.ts";

/** As an engine: a step's cost is the time from one step to the next of any thread. */
export async function openThreads(
  name: EngineName,
  files: BundleFiles,
  symbols: number,
  threads: number,
): Promise<DecodingEngine> {
  const workers = Array.from(
    { length: threads },
    () => new Worker(new URL("./decoding_thread.ts", import.meta.url), { type: "module" }),
  );
  const ask = <Answer>(message: ThreadSetup | Sentence): Promise<Answer[]> =>
    Promise.all(
      workers.map(
        (worker) =>
          new Promise<Answer>((resolve, reject) => {
            worker.onmessage = ({ data }) => resolve(data as Answer);
            worker.onerror = (event) => reject(new Error(event.message));
            worker.postMessage(message);
          }),
      ),
    );
  await ask({ name, files, symbols });
  return {
    async decode(sentence) {
      const costs = await ask<Cost>(sentence);
      const together = (times: readonly number[]): number =>
        1 / times.reduce((rate, time) => rate + 1 / time, 0);
      return {
        step: together(costs.map(({ step }) => step)),
        start: together(costs.map(({ start }) => start)),
      };
    },
    close: () => {
      for (const worker of workers) worker.terminate();
    },
  };
}
