import { noAnswer } from "./failures.ts";
import type { Address, Connection } from "./transport.ts";

/**
 * Runs one attempt to connect for at most so many milliseconds.
 * @param attempt should close what comes of it once the signal is given: nobody waits for it any more.
 */
export async function dial(
  address: Address,
  patience: number,
  attempt: (tooLate: AbortSignal) => Promise<Connection>,
): Promise<Connection> {
  const tooLate = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const impatience = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(noAnswer(address, patience));
      tooLate.abort();
    }, patience);
  });
  try {
    return await Promise.race([attempt(tooLate.signal), impatience]);
  } finally {
    clearTimeout(timer);
  }
}

/** Closes what an attempt has come to so far, once nobody waits for it any more. */
export function closeOnceLate(connection: Pick<Connection, "close">, tooLate: AbortSignal): void {
  if (tooLate.aborted) connection.close();
  else tooLate.addEventListener("abort", () => connection.close(), { once: true });
}
