// Entry point of a thread with an engine of its own; see decoding_threads.ts for the other side.
import type { BundleFiles } from "../../edge/export/bundle_files.ts";
import {
  type Cost,
  type DecodingEngine,
  type EngineName,
  openEngine,
  type Sentence,
} from "./decoding_engine.ts";

/** The first message to a thread. Those that follow are sentences; each is answered by its `Cost`. */
export interface ThreadSetup {
  readonly name: EngineName;
  readonly files: BundleFiles;
  readonly symbols: number;
}

let engine: Promise<DecodingEngine> | undefined;

async function answer(message: ThreadSetup | Sentence): Promise<Cost | undefined> {
  if ("beam" in message) return (await engine)?.decode(message);
  engine = openEngine(message.name, message.files, message.symbols);
  await engine;
  return undefined;
}

addEventListener("message", ({ data }: MessageEvent<ThreadSetup | Sentence>) => {
  answer(data).then((cost) => postMessage(cost), reportError);
});
