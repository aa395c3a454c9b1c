// One signal for all that ends a request early: its time is over, or its client went away.
import { clientGone, type deadlinePassed } from "./refusals.ts";

export interface Deadline {
  /** Aborted with the Problem that the request is answered with. */
  readonly signal: AbortSignal;
  /** Ends the request for another reason. */
  abort(reason: unknown): void;
  /** Forgets timer and client; to be called when the request has ended. */
  end(): void;
}

/**
 * Not AbortSignal.any of a timeout: such a timer lives until it fires, and a server that answers a
 * thousand requests in a second would keep a minute's worth of them.
 */
export function startDeadline(
  seconds: number,
  client: AbortSignal,
  late: typeof deadlinePassed,
): Deadline {
  const controller = new AbortController();
  const leave = (): void => controller.abort(clientGone());
  const timer = setTimeout(() => controller.abort(late(seconds)), seconds * 1000);
  client.addEventListener("abort", leave);
  if (client.aborted) leave();
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    end() {
      clearTimeout(timer);
      client.removeEventListener("abort", leave);
    },
  };
}

/** Settles as the promise does, or is rejected with the signal's reason once that is aborted. */
export async function within<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
