import type { Port } from "../runtime/port_messages.ts";

/** The first message to a thread: which bundle, and our own kernels, compiled. */
export interface ThreadSetup {
  readonly folder: string;
  readonly kernels: WebAssembly.Module;
}

/** In a thread: the port to whoever began it, and the first message from there. */
export function threadSetup(): { readonly port: Port; readonly setup: Promise<ThreadSetup> } {
  const port = globalThis as unknown as Port;
  const setup = new Promise<ThreadSetup>((resolve) => {
    // Later messages find the promise settled.
    port.addEventListener("message", ({ data }) => resolve(data as ThreadSetup));
  });
  return { port, setup };
}
