import { addressText } from "./address_text.ts";
import { receiveInParts, type Steps } from "./receive_in_parts.ts";
import { type Address, ConnectError, type Connection, type Receiver } from "./transport.ts";

/**
 * The receiver of a connection that was dialled, until both sides have proven who they are.
 * @param steps what they exchange for that, from the dialler's side.
 * @param proven resolved or rejected in the end.
 */
export function untilProven(
  address: Address,
  connection: Connection,
  steps: Steps,
  proven: PromiseWithResolvers<Connection>,
): Receiver {
  return receiveInParts(steps, {
    done: () => proven.resolve(connection),
    failed: (error) => proven.reject(error),
    ended: (reason) => proven.reject(endedEarly(address, reason)),
  });
}

/** The other side went away, or wants to be spoken to in another way. */
export function endedEarly(address: Address, reason = "the other side closed it"): ConnectError {
  const place = addressText(address);
  const problem = "the connection ended before both sides had proven who they are";
  const remedy = "see whether all peers are secured in the same way, and what the other one says";
  return new ConnectError(`${place}: ${problem} (${reason}); ${remedy}`, false);
}

/** The other side is known, but not as a peer. */
export function noPeer(address: Address, refusal: string): ConnectError {
  return new ConnectError(`${addressText(address)} is no peer of ours: ${refusal}`, true);
}

/** The other side says the same of us. */
export function refusedThere(address: Address, refusal: string): ConnectError {
  return new ConnectError(`${addressText(address)} refuses us: ${refusal}`, true);
}
