// How a thread whose kernel threw tells the caller why: it never returns to its event loop, so the words
// go through shared memory, behind the control block.
import { CONTROL, CONTROL_BYTES } from "./barrier.ts";

const MESSAGE_BYTES = 1024;

/** The control block and the room for one message. */
export const SHARED_BYTES = CONTROL_BYTES + MESSAGE_BYTES;

const messageRoom = ({ buffer, byteOffset }: Int32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset + CONTROL_BYTES, MESSAGE_BYTES);

/** The first thread to fail is heard; the caller reads it after the barrier at the program's end. */
export function reportFailure(control: Int32Array, thread: number, error: unknown): void {
  if (Atomics.compareExchange(control, CONTROL.failed, 0, thread + 1) !== 0) return;
  const text = error instanceof Error ? error.message : String(error);
  const bytes = new TextEncoder().encode(text).subarray(0, MESSAGE_BYTES);
  messageRoom(control).set(bytes);
  Atomics.store(control, CONTROL.messageBytes, bytes.length);
}

/** What reportFailure() told. */
export function failureOf(control: Int32Array): { thread: number; message: string } | undefined {
  const failed = Atomics.load(control, CONTROL.failed);
  if (failed === 0) return undefined;
  const length = Atomics.load(control, CONTROL.messageBytes);
  // Decoders take no shared memory: slice() copies.
  const message = new TextDecoder().decode(messageRoom(control).slice(0, length));
  return { thread: failed - 1, message };
}
