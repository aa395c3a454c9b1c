import { noAnswer } from "./failures.ts";
import type { Address } from "./transport.ts";

/**
 * Runs one attempt to connect for at most so many milliseconds.
 * @param attempt should close what comes of it once the signal is given: nobody waits for it any more.
 */
export async function dial<T>(
  address: Address,
  patience: number,
  attempt: (tooLate: AbortSignal) => Promise<T>,
): Promise<T> {
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
