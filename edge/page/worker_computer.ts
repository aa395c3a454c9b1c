// Translations in this browser: a Web Worker holds the model, and nothing leaves the machine.
import { kernelFile } from "../runtime/kernel_file.ts";
import { PortTranslator } from "../runtime/port_translator.ts";
import { type Computer, describeModel, type Progress } from "./computer.ts";
import { fetchBytes } from "./fetch_source.ts";
import type { Loading, Opening } from "./worker_messages.ts";

/** @param base the page's address, beside which all files lie. */
export function workerComputer(base: string): Computer {
  let current: PortTranslator | undefined;
  return {
    async models() {
      try {
        const bytes = await fetchBytes(new URL("models.json", base));
        return (JSON.parse(new TextDecoder().decode(bytes)) as { models: string[] }).models;
      } catch (cause) {
        throw new Error("The list of models, models.json, cannot be read.", { cause });
      }
    },
    async open(name, tell) {
      // First, so that memory need not hold two models.
      current?.close();
      const opened = await openWorker(base, name, tell);
      current = opened;
      return {
        ...describeModel({ ...opened.manifest.card, quantize: opened.manifest.quantize }),
        translate: (text, options) => opened.translate(text, options),
      };
    },
  };
}

/** @throws UserError if the worker refuses the bundle. */
export async function openWorker(
  base: string,
  name: string,
  tell: (progress: Progress) => void,
): Promise<PortTranslator> {
  const worker = new Worker(new URL("translator_worker.js", base));
  const terminate = (): void => worker.terminate();
  const broken = new Promise<never>((_, reject) => {
    worker.addEventListener("error", ({ message }) => {
      terminate();
      reject(new Error(`The translator broke down${message ? `: ${message}` : ""}.`));
    });
  });
  worker.addEventListener("message", ({ data }) => {
    const loading = data as Loading;
    if (loading.kind === "loading") tell(loading);
  });
  const opening: Opening = {
    bundle: new URL(`bundle/${encodeURIComponent(name)}/`, base).href,
    kernels: new URL(kernelFile(), base).href,
  };
  worker.postMessage(opening);
  const translator = await Promise.race([PortTranslator.open(worker, terminate), broken]);
  broken.catch((error: Error) => translator.fail(error));
  return translator;
}
