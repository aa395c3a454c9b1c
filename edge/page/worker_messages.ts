// What the page and its Web Worker say to each other before edge/runtime/port_messages.ts begins.
import type { Progress } from "./computer.ts";

/** The first message to any worker. */
export interface Opening {
  /** Address of a bundle's folder. */
  readonly bundle: string;
}

/** To translator_worker.js. */
export interface KernelOpening extends Opening {
  readonly kernels: string;
}

/** To webgpu_worker.js: the addresses of onnxruntime-web's files. */
export interface GpuOpening extends Opening {
  readonly library: string;
  readonly wasm: string;
}

/** From the worker, while it loads. */
export interface Loading extends Progress {
  readonly kind: "loading";
}
