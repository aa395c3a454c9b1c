// MessagePack that no honest peer sends, and that a decoder alone takes, or chokes on.
import { concat } from "./frames.ts";

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A map of one entry, whose value is given. */
const within = (...value: readonly number[]): Uint8Array =>
  Uint8Array.of(0x81, 0xa1, 0x61, ...value);

/** A map with these keys, all 1. */
function keyed(...keys: readonly Uint8Array[]): Uint8Array {
  const entries = keys.map((key) =>
    concat(Uint8Array.of(0xa0 + key.length), key, Uint8Array.of(1)),
  );
  return concat(Uint8Array.of(0x80 + keys.length), ...entries);
}

/** A value around itself, so many times, in a map. */
const nested = (outside: number, depth: number): Uint8Array =>
  concat(within(), new Uint8Array(depth).fill(outside), Uint8Array.of(0xc0));

/** An array of 16 bits' length within the map, filled with one byte's value. */
function crowd(value: number, count: number): Uint8Array {
  const head = within(0xdd, 0, 0, 0, 0);
  new DataView(head.buffer).setUint32(4, count);
  return concat(head, new Uint8Array(count).fill(value));
}

export const hostileDocuments: Readonly<Record<string, Uint8Array>> = {
  "nothing at all": new Uint8Array(0),
  "a number instead of a map": Uint8Array.of(7),
  "an array instead of a map": Uint8Array.of(0x91, 7),
  "a map without its values": Uint8Array.of(0x82, 0xa1, 0x61, 1),
  "a map of 4 billion": Uint8Array.of(0xdf, 255, 255, 255, 255),
  "an array of 4 billion": within(0xdd, 255, 255, 255, 255),
  "a string of 4 billion": within(0xdb, 255, 255, 255, 255),
  "a binary of 4 billion": within(0xc6, 255, 255, 255, 255),
  "an extension of 4 billion": within(0xc9, 255, 255, 255, 255, 1),
  "an array claimed one too long": within(0x92, 1),
  "a length cut short": within(0xdd, 0, 0),
  "a number cut short": within(0xcb, 0, 0, 0),
  "10,000 arrays in each other": nested(0x91, 10_000),
  "500,000 arrays in each other": nested(0x91, 500_000),
  "half a million empty maps": crowd(0x80, 500_000),
  "half a million empty arrays": crowd(0x90, 500_000),
  "a large value and one byte behind it": concat(crowd(1, 60_000), Uint8Array.of(0)),
  "the key __proto__": keyed(ascii("__proto__")),
  "the key constructor": keyed(ascii("constructor")),
  "the key prototype": keyed(ascii("prototype")),
  "a key twice": keyed(ascii("ab"), ascii("b"), ascii("ab")),
  "a key of overlong UTF-8": keyed(Uint8Array.of(0xc1, 0x9f)),
  "a key with a zero": keyed(Uint8Array.of(0x61, 0)),
  "a key of 65 bytes": concat(
    Uint8Array.of(0x81, 0xd9, 65),
    new Uint8Array(65).fill(0x61),
    Uint8Array.of(1),
  ),
  "a number for a key": Uint8Array.of(0x81, 1, 1),
  "a map for a key": Uint8Array.of(0x81, 0x80, 1),
  "a string of 70,000 bytes": concat(within(0xdb, 0, 1, 0x11, 0x70), new Uint8Array(70_000)),
  "the tag that is never used": within(0xc1),
  undefined: within(0xd4, 0, 0),
  "a record's definition": within(0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 1),
  "a regular expression": concat(within(0xc7, 4, 0x78, 0x92), ascii("\xa1a"), Uint8Array.of(0xa0)),
  "an error": within(0xd4, 0x65, 0, 0x93, 0xa1, 0x61, 0xa1, 0x62, 0xc0),
  "a set": within(0xd4, 0x73, 0, 0x91, 1),
  "a large integer": within(0xd8, 0x42, ...new Array<number>(16).fill(0x7f)),
  "an object to refer to": within(0xd6, 0x69, 0, 0, 0, 1, 0x80),
  "a reference": within(0xd6, 0x70, 0, 0, 0, 1),
  "a date": within(0xd6, 0xff, 0, 0, 0, 1),
  "the number 2^64 - 1": within(0xcf, ...new Array<number>(8).fill(255)),
  "the number -2^63": within(0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0),
};
