// The first thing that a listener says over TLS: whether it takes the dialler for a peer. In TLS 1.3 the
// dialler's own handshake is over before the listener has seen its certificate.
//
//    1                      welcome
//    0 | u8 length | text   refused, and why
import type { Steps } from "./receive_in_parts.ts";
import type { Address, Connection, Receiver } from "./transport.ts";
import { refusedThere } from "./until_proven.ts";

export const WELCOME = new Uint8Array([1]);

export function refusalBytes(reason: string): Uint8Array {
  const text = new TextEncoder().encode(reason).subarray(0, 255);
  return new Uint8Array([0, text.length, ...text]);
}

/** What the dialler does: reads the verdict, and hands the connection on if it is welcome. */
export function* readVerdict(
  address: Address,
  connection: Connection,
  open: (connection: Connection) => Receiver,
): Steps {
  const [welcome] = yield WELCOME.length;
  if (!welcome) {
    const [length] = yield 1;
    throw refusedThere(address, length > 0 ? new TextDecoder().decode(yield length) : "");
  }
  return open(connection);
}
