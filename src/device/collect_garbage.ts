/**
 * Collects garbage now, in Bun; elsewhere nothing happens. JavaScriptCore takes all of the cpu device's
 * shared memory for live objects of its own, and waits until as much garbage again has come together: with
 * a large model, hundreds of MiB of it stay resident.
 */
export function collectGarbage(): void {
  const { Bun } = globalThis as { Bun?: { gc?: (now: boolean) => void } };
  Bun?.gc?.(true);
}
