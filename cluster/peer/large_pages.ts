import type { Libc } from "../transport/libc.ts";
import type { SharedNumbers } from "./protocol.ts";

/**
 * Memory that peers exchange is better off in pages of 2 MiB: the system looks up and holds every page
 * that it reads for another process, which with pages of 4 KiB takes as long as the copying itself.
 */
export function useLargePages(
  libc: Libc,
  { memory, gradients, scratch }: Pick<SharedNumbers, "memory" | "gradients" | "scratch">,
): void {
  for (const { address, elements } of gradients) {
    if (elements > 0) libc.useLargePages(new Uint8Array(memory.buffer, address, 4 * elements));
  }
  if (scratch.bytes > 0) {
    libc.useLargePages(new Uint8Array(memory.buffer, scratch.address, scratch.bytes));
  }
}
