import { workerUrl } from "../../src/workers.ts";
import { openLibc } from "../transport/libc.ts";
import type { Event, Request } from "./protocol.ts";

/** What is needed of the thread that runs worker.ts. */
export type CommunicationThread = Pick<Worker, "onmessage" | "onerror" | "terminate"> & {
  postMessage(request: Request): void;
};

/** The communication thread: one that sleeps in poll() is woken by a bell, to find the message. */
export class CommunicationWorker extends Worker implements CommunicationThread {
  private ring: (() => void) | undefined;

  constructor() {
    super(workerUrl("cluster/peer/worker.ts"), { type: "module" });
    this.addEventListener("message", ({ data: event }: MessageEvent<Event>) => {
      if (event.kind === "bell") void this.hang(event.bell);
    });
  }

  override postMessage(request: Request): void {
    super.postMessage(request);
    this.ring?.();
  }

  /** Until then messages wait for the end of a nap. */
  private async hang(bell: number): Promise<void> {
    const libc = await openLibc();
    if (!("reason" in libc)) this.ring = () => libc.ring(bell);
  }
}
