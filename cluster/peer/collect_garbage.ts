// On Bun a thread that holds a large shared WebAssembly memory puts garbage collection off until memory is
// gone: 2.5 GB of socket buffers were never collected, and took ten times as long as with this.

/** Bytes of garbage after which it is collected. */
const BYTES = 64 * 2 ** 20;

/** Told of all bytes received, each of which Bun has put into a buffer of its own; elsewhere does nothing. */
export function garbageCollector(): (bytes: number) => void {
  if (typeof Bun === "undefined") return () => undefined;
  let garbage = 0;
  return (bytes) => {
    garbage += bytes;
    if (garbage < BYTES) return;
    garbage = 0;
    Bun.gc(false);
  };
}
