// Where the entry files of workers lie: in the checkout, and inside the compiled binary, which carries
// each as an entry point of its own (a worker that loaded the binary's main entry would hang).

/** Every worker's entry file, from the top of the repository. `bun run build` embeds these. */
export const workerEntries = [
  "src/device/cpu/worker.ts",
  "src/data/text_worker.ts",
  "src/cli/generate_thread.ts",
  "edge/platforms/translator_thread.ts",
  "edge/platforms/onnx_thread.ts",
  "edge/platforms/onnx_webgpu_thread.ts",
  "cluster/peer/worker.ts",
] as const;

export type WorkerEntry = (typeof workerEntries)[number];

/** From source this file is src/workers.ts; bundled, all lies in one file at the top of the binary. */
const top = new URL(/\/src\/workers\.ts$/.test(import.meta.url) ? ".." : ".", import.meta.url);

/** What to give to `new Worker(url, { type: "module" })`, under Bun, under Deno and in the binary. */
export function workerUrl(entry: WorkerEntry): string {
  return new URL(entry, top).href;
}
