// What the page and its Web Worker say to each other before edge/runtime/port_messages.ts begins.
import type { Progress } from "./computer.ts";

/** The first message to the worker: addresses of a bundle's folder and of the kernels. */
export interface Opening {
  readonly bundle: string;
  readonly kernels: string;
}

/** From the worker, while it loads. */
export interface Loading extends Progress {
  readonly kind: "loading";
}
