// A translator for whoever is at the other end of a port: what a worker thread runs.
import { UserError } from "../../src/config/user_error.ts";
import { OutOfMemoryError } from "../../src/wasm/heap.ts";
import type { Call, Failure, Port, Reply, Request } from "./port_messages.ts";
import type { EdgeTranslator, RequestOptions } from "./translator.ts";
import { oncePerTurn } from "./turn.ts";

/** Opens a translator and answers calls until it is told to close. */
export async function serveOnPort(port: Port, open: () => Promise<EdgeTranslator>): Promise<void> {
  const send = (reply: Reply): void => port.postMessage(reply);
  let translator: EdgeTranslator;
  try {
    translator = await open();
  } catch (error) {
    send({ kind: "refused", failure: failureOf(error) });
    return;
  }
  const running = new Map<number, AbortController>();
  port.addEventListener("message", ({ data }) => {
    const request = data as Request;
    if (request.kind === "close") translator.close();
    else if (request.kind === "abort") running.get(request.id)?.abort();
    else void answer(request);
  });
  const { manifest, maxSourceTokens, engine } = translator;
  send({ kind: "ready", manifest, maxSourceTokens, engine, memory: memoryOf(translator) });

  async function answer(call: Call): Promise<void> {
    const { id } = call;
    const controller = new AbortController();
    running.set(id, controller);
    try {
      const options = {
        ...call.options,
        signal: controller.signal,
        onPartial: call.partials
          ? newestOfTurn((text) => {
              if (running.has(id)) send({ kind: "partial", id, text });
            })
          : undefined,
      };
      const result = await run(translator, call, options);
      send({ kind: "done", id, result, memory: memoryOf(translator) });
    } catch (error) {
      send({ kind: "failed", id, failure: failureOf(error) });
    } finally {
      running.delete(id);
    }
  }
}

/**
 * Passes on only the last text of a turn. All sentences of a text make a step together and each tells
 * the whole text; sending every one of them would keep the other thread busy with reading.
 */
function newestOfTurn(tell: (text: string) => void): (text: string) => void {
  let newest = "";
  const pass = oncePerTurn(() => tell(newest));
  return (text) => {
    newest = text;
    pass();
  };
}

function run(translator: EdgeTranslator, call: Call, options: RequestOptions): Promise<unknown> {
  if (call.kind === "score") return translator.score(call.source, call.target, options);
  return translator[call.kind](call.text, options);
}

/** A getter cannot be sent. */
const memoryOf = ({ memory: { used, grown } }: EdgeTranslator): EdgeTranslator["memory"] => ({
  used,
  grown,
});

function failureOf(error: unknown): Failure {
  if (error instanceof OutOfMemoryError) return { kind: "memory", detail: error.detail };
  if (error instanceof UserError) return { kind: "user", detail: error.detail };
  return { kind: "internal", message: error instanceof Error ? error.message : String(error) };
}
