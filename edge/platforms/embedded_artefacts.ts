// Bun only: names the files of build/edge so that `bun build --compile` carries them inside the binary.
import server from "../../build/edge/server.js.asset" with { type: "file" };
import index from "../../build/edge/static/index.html.asset" with { type: "file" };
import page from "../../build/edge/static/page.js.asset" with { type: "file" };
import service from "../../build/edge/static/service_worker.js.asset" with { type: "file" };
import style from "../../build/edge/static/style.css.asset" with { type: "file" };
import translator from "../../build/edge/static/translator_worker.js.asset" with { type: "file" };
import gpu from "../../build/edge/static/webgpu_worker.js.asset" with { type: "file" };
import thread from "../../build/edge/translator_thread.js.asset" with { type: "file" };
import worker from "../../build/edge/worker.js.asset" with { type: "file" };
import kernels from "../../build/quantised.wasm" with { type: "file" };
import relaxed from "../../build/quantised_relaxed.wasm" with { type: "file" };
import type { ArtefactName } from "./artefacts.ts";

const paths: Record<ArtefactName, string> = {
  "quantised.wasm": kernels,
  "quantised_relaxed.wasm": relaxed,
  "server.js": server,
  "static/index.html": index,
  "static/page.js": page,
  "static/service_worker.js": service,
  "static/style.css": style,
  "static/translator_worker.js": translator,
  "static/webgpu_worker.js": gpu,
  "translator_thread.js": thread,
  "worker.js": worker,
};

export default paths;
