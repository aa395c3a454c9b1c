// A shared secret, proven by both sides when a connection begins:
//
//    dialler   "weftgx/1" | 32 random bytes D     ->
//              <-     "weftgx/1" | 32 random bytes L   listener
//    dialler   HMAC("dialler", D, L)              ->
//              <-     1 | HMAC("listener", D, L), or 0 if that was wrong
//
// HMAC is HMAC-SHA256 of "weft-gx/1" NUL role NUL D L, keyed by the secret. The dialler proves itself
// first: whoever merely calls gets nothing to try guesses of the secret on. This says who is at the other
// end when the connection begins. It protects no byte that follows: someone on the way can read and alter
// them. For such networks there are certificates.
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { closeOnceLate, dial } from "./dial.ts";
import type { Limits } from "./limits.ts";
import { receiveInParts, type Steps } from "./receive_in_parts.ts";
import type { Address, Connection, Listener, Receiver, Refused, Transport } from "./transport.ts";
import { noPeer, untilProven } from "./until_proven.ts";
import { WaitingRoom } from "./waiting_room.ts";

const MAGIC = new TextEncoder().encode("weftgx/1");
const NONCE = 32;
const PROOF = 32;
const isMagic = (bytes: Uint8Array): boolean => MAGIC.every((byte, i) => bytes[i] === byte);

const OTHER_WAY = "it proves no secret; secure all peers in the same way";
const OTHER_SECRET = "it has another secret; give all peers the same one";
const REFUSED = new Uint8Array([0]);
const ACCEPTED = new Uint8Array([1]);

type Open = (connection: Connection) => Receiver;

/** Another transport, whose connections are handed on once both sides have proven the secret. */
export class SecretTransport implements Transport {
  constructor(
    private readonly inner: Transport,
    private readonly secret: Uint8Array,
    private readonly limits: Limits,
  ) {}

  listen(address: Address, accept: Open, refused?: Refused): Promise<Listener> {
    const room = new WaitingRoom(this.limits);
    return this.inner.listen(address, (connection) => {
      const leave = room.enter(() => connection.close());
      const steps = this.#listener(connection, accept, refused);
      return receiveInParts(steps, { done: leave, failed: leave, ended: leave });
    });
  }

  connect(address: Address, open: Open): Promise<Connection> {
    return dial(address, this.limits.patience, (tooLate) => {
      const proven = Promise.withResolvers<Connection>();
      const prove: Open = (connection) => {
        closeOnceLate(connection, tooLate);
        return untilProven(address, connection, this.#dialler(address, connection, open), proven);
      };
      this.inner.connect(address, prove).catch(proven.reject);
      return proven.promise;
    });
  }

  *#dialler(address: Address, connection: Connection, open: Open): Steps {
    const own = randomBytes(NONCE);
    connection.send([MAGIC, own]);
    if (!isMagic(yield MAGIC.length)) throw noPeer(address, OTHER_WAY);
    const theirs = yield NONCE;
    connection.send([this.#proof("dialler", own, theirs)]);
    const [accepted] = yield ACCEPTED.length;
    if (!accepted || !timingSafeEqual(yield PROOF, this.#proof("listener", own, theirs))) {
      throw noPeer(address, OTHER_SECRET);
    }
    return open(connection);
  }

  *#listener(connection: Connection, accept: Open, refused: Refused | undefined): Steps {
    const own = randomBytes(NONCE);
    connection.send([MAGIC, own]);
    if (!isMagic(yield MAGIC.length)) throw new Error(OTHER_WAY);
    const theirs = yield NONCE;
    if (!timingSafeEqual(yield PROOF, this.#proof("dialler", theirs, own))) {
      connection.send([REFUSED], { sent: () => connection.close() });
      refused?.(connection.remote, OTHER_SECRET);
      yield 1; // nothing more is listened to
      throw new Error("bytes after a wrong secret");
    }
    connection.send([ACCEPTED, this.#proof("listener", theirs, own)], { urgent: true });
    return accept(connection);
  }

  #proof(role: "dialler" | "listener", dialler: Uint8Array, listener: Uint8Array): Uint8Array {
    const hmac = createHmac("sha256", this.secret);
    return hmac.update(`weft-gx/1\0${role}\0`).update(dialler).update(listener).digest();
  }
}
