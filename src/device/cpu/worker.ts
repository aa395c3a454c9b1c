// Entry of a cpu thread. Waits for programs in shared memory, so it never returns to its event loop.
import { collectGarbage } from "../collect_garbage.ts";
import { barrier, CONTROL, waitWhile } from "./barrier.ts";
import { reportFailure } from "./failure.ts";
import { openThread, runProgram, type Thread, type ThreadSetup } from "./team.ts";

declare const self: {
  onmessage: ((event: { data: ThreadSetup }) => void) | null;
  postMessage(message: { ready: true } | { error: string }): void;
};

self.onmessage = async ({ data: setup }) => {
  try {
    const thread = await openThread(setup);
    self.postMessage({ ready: true });
    serve(thread);
  } catch (error) {
    self.postMessage({ error: error instanceof Error ? error.message : String(error) });
  }
};

/** So many decoded commands leave garbage that is worth collecting while this thread waits. */
const COMMANDS_PER_COLLECTION = 30_000;

function serve(thread: Thread): void {
  const { control, context } = thread;
  let collected = 0;
  for (let generation = 0; ; ) {
    waitWhile(control, CONTROL.generation, generation);
    generation = Atomics.load(control, CONTROL.generation);
    if (Atomics.load(control, CONTROL.shutdown) === 1) return;
    try {
      runProgram(thread);
    } catch (error) {
      // A kernel trapped: the other threads must be told, or they wait for this one for ever.
      reportFailure(control, context.thread, error);
      for (;;) barrier(control, context.threads);
    }
    if (thread.decoded - collected < COMMANDS_PER_COLLECTION) continue;
    collectGarbage();
    collected = thread.decoded;
  }
}
