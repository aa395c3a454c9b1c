// Translations in this browser: a Web Worker holds the model, and nothing leaves the machine.
import type { PageEngine } from "../../src/config/schemas/engines.ts";
import { kernelFile } from "../runtime/kernel_file.ts";
import { PortTranslator } from "../runtime/port_translator.ts";
import { type Computer, describeModel, type Progress } from "./computer.ts";
import { ENGINES, isEngine, ONNXRUNTIME_FILES } from "./engines.ts";
import { fetchBytes } from "./fetch_source.ts";
import type { GpuOpening, KernelOpening, Loading } from "./worker_messages.ts";

/** What models.json holds. */
export interface ModelList {
  readonly models: readonly string[];
  readonly engines: readonly PageEngine[];
}

/** @param base the page's address, beside which all files lie. */
export function workerComputer(base: string): Computer {
  let current: PortTranslator | undefined;
  return {
    async offers() {
      try {
        const bytes = await fetchBytes(new URL("models.json", base));
        return JSON.parse(new TextDecoder().decode(bytes)) as ModelList;
      } catch (cause) {
        throw new Error("The list of models, models.json, cannot be read.", { cause });
      }
    },
    async open(name, engine, tell) {
      // First, so that memory need not hold two models.
      current?.close();
      if (!isEngine(engine)) throw new Error(`This page knows no engine called ${engine}.`);
      const opened = await openWorker(base, name, engine, tell);
      current = opened;
      const { card, quantize } = opened.manifest;
      return {
        ...describeModel({ ...card, quantize, engine: opened.engine }),
        translate: (text, options) => opened.translate(text, options),
      };
    },
  };
}

/** @throws UserError if the worker refuses the bundle. */
async function openWorker(
  base: string,
  name: string,
  engine: PageEngine,
  tell: (progress: Progress) => void,
): Promise<PortTranslator> {
  const worker = new Worker(new URL(ENGINES[engine].worker, base));
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
  worker.postMessage(openingOf(base, name, engine));
  const translator = await Promise.race([PortTranslator.open(worker, terminate), broken]);
  broken.catch((error: Error) => translator.fail(error));
  return translator;
}

function openingOf(base: string, name: string, engine: PageEngine): KernelOpening | GpuOpening {
  const address = (path: string): string => new URL(path, base).href;
  const bundle = address(`bundle/${encodeURIComponent(name)}/`);
  if (engine === "weft") return { bundle, kernels: address(kernelFile()) };
  const { library, wasm } = ONNXRUNTIME_FILES;
  return { bundle, library: address(library), wasm: address(wasm) };
}
