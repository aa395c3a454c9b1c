// A control frame's document back from its bytes.
import { Unpackr } from "msgpackr/unpack";
import { scan } from "./scan.ts";

// The package's main entry would load a native addon that reads strings: bytes of peers stay with JavaScript.
const unpackr = new Unpackr({ useRecords: false, int64AsType: "number" });

/**
 * Binaries in it are views of `bytes`, and keep it alive.
 *
 * @throws ProtocolError if scan() refuses it.
 */
export function decodeControl(bytes: Uint8Array): unknown {
  scan(bytes);
  return unpackr.unpack(bytes);
}
