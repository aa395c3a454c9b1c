/**
 * Resolves after whatever else is waiting had its turn: requests arrive, cancellations are heard. The
 * quickest way that the runtime has: timers of browsers wait 4 ms, but workerd hears of no other request, and of
 * no client that goes away, while messages follow each other.
 */
export const nextTurn: () => Promise<void> = (() => {
  if (typeof setImmediate === "function") {
    return () => new Promise<void>((resolve) => setImmediate(resolve));
  }
  const isWorkerd = globalThis.navigator?.userAgent === "Cloudflare-Workers";
  if (typeof MessageChannel === "function" && !isWorkerd) {
    return () =>
      new Promise<void>((resolve) => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => {
          port1.close();
          resolve();
        };
        port2.postMessage(undefined);
      });
  }
  return () => new Promise<void>((resolve) => setTimeout(resolve, 0));
})();

/** Runs `task` in the next turn, once however often it is asked for until then. */
export function oncePerTurn(task: () => void): () => void {
  let isAwaited = false;
  return () => {
    if (isAwaited) return;
    isAwaited = true;
    void nextTurn().then(() => {
      isAwaited = false;
      task();
    });
  };
}
