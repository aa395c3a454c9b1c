// Bun only: names the files of build/edge so that `bun build --compile` carries them inside the binary.
import server from "../../build/edge/server.js.asset" with { type: "file" };
import thread from "../../build/edge/translator_thread.js.asset" with { type: "file" };
import worker from "../../build/edge/worker.js.asset" with { type: "file" };
import kernels from "../../build/quantised.wasm" with { type: "file" };
import type { ArtefactName } from "./artefacts.ts";

const paths: Record<ArtefactName, string> = {
  "quantised.wasm": kernels,
  "server.js": server,
  "translator_thread.js": thread,
  "worker.js": worker,
};

export default paths;
