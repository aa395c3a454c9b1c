// Looks a MessagePack document over before msgpackr sees it. A decoder makes objects of what a peer
// wrote, dozens of bytes for each of its bytes, knows types that we never send (regular expressions,
// errors, records, references) and walks nested values by recursion. This walk makes nothing, holds its
// place in fixed tables, and leaves through only what plain data needs.
import { ProtocolError } from "./frame.ts";
import { readUint } from "./read_uint.ts";

/** What a document may have at most. */
export const LIMITS = {
  /** Maps and arrays inside each other, the document itself included. */
  depth: 8,
  /** Values, keys included. */
  nodes: 65536,
  /** Keys of one map. */
  keys: 64,
  /** Of a key, all of them printable ASCII. */
  keyBytes: 64,
  /** Of any other string. */
  stringBytes: 65536,
} as const;

/** Keys that mean something to every JavaScript object. */
const DANGEROUS = ["__proto__", "constructor", "prototype"];

/** What a tag stands for: a value by itself, or something that it counts. */
const PLAIN = 0;
const STRING = 1;
const BINARY = 2;
const ARRAY = 3;
const MAP = 4;
const REFUSED = 5;

/** Of every tag: what it stands for, and how many bytes follow with its number or its count. */
const forms = new Uint8Array(256);
const widths = new Uint8Array(256);

function define(first: number, form: number, ...followedBy: number[]): void {
  forms.fill(form, first, first + followedBy.length);
  widths.set(followedBy, first);
}
const zeros = (count: number): number[] => new Array(count).fill(0);
define(0x80, MAP, ...zeros(16));
define(0x90, ARRAY, ...zeros(16));
define(0xa0, STRING, ...zeros(32));
define(0xc1, REFUSED, 0); // never used
define(0xc4, BINARY, 1, 2, 4);
define(0xc7, REFUSED, ...zeros(3)); // extensions
define(0xca, PLAIN, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8); // floats, then numbers without and with sign
define(0xd4, REFUSED, ...zeros(5)); // extensions
define(0xd9, STRING, 1, 2, 4);
define(0xdc, ARRAY, 2, 4);
define(0xde, MAP, 2, 4);
const UINT_64 = 0xcf;
const INT_64 = 0xd3;

/** Of the maps and arrays that are open: how many values they still miss; keys of a map so far. */
const missing = new Float64Array(LIMITS.depth);
const keys = new Int32Array(LIMITS.depth);
const NO_MAP = -1;
/** Where the keys of the open maps begin, and how long they are. */
const places = new Uint32Array(2 * LIMITS.depth * LIMITS.keys);

/**
 * Returns if the bytes are one map of plain data within the limits and nothing after it: numbers that
 * JavaScript holds, strings, binaries, booleans, nil, arrays, and maps whose keys differ.
 *
 * @throws ProtocolError
 */
export function scan(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let [at, nodes, depth] = [0, 0, 0];
  do {
    if (at >= bytes.length) refuse("ends before all its values are there");
    if (++nodes > LIMITS.nodes) refuse(`has more than ${LIMITS.nodes} values`);
    const tag = bytes[at++];
    const form = forms[tag];
    const width = widths[tag];
    if (form === REFUSED) refuse(`has the tag 0x${tag.toString(16)}`);
    if (width > bytes.length - at) refuse("ends inside a number");
    const top = depth - 1;
    const isKey = depth > 0 && keys[top] !== NO_MAP && missing[top] % 2 === 0;
    if (depth > 0) missing[top]--;
    else if (form !== MAP) refuse("is no map");
    if (isKey && form !== STRING) refuse("has a key that is no string");

    if (form === PLAIN) {
      if (tag === UINT_64) checkHeld(view.getUint32(at), view.getUint32(at + 4));
      if (tag === INT_64) checkHeld(view.getInt32(at), view.getUint32(at + 4));
      at += width;
    } else {
      const count = width > 0 ? readUint(view, at, width) : tag & (form === STRING ? 31 : 15);
      at += width;
      // Every entry takes a byte at least.
      if (count > bytes.length - at) refuse(`counts ${count} of what it cannot hold`);
      if (form === MAP || form === ARRAY) {
        if (depth === LIMITS.depth) refuse(`is more than ${LIMITS.depth} deep`);
        if (form === MAP && count > LIMITS.keys) refuse(`has a map of ${count} keys`);
        missing[depth] = form === MAP ? 2 * count : count;
        keys[depth++] = form === MAP ? 0 : NO_MAP;
      } else {
        if (isKey) takeKey(bytes, at, count, top);
        else if (form === STRING && count > LIMITS.stringBytes)
          refuse(`has a string of ${count} bytes`);
        at += count;
      }
    }
    while (depth > 0 && missing[depth - 1] === 0) depth--;
  } while (depth > 0);
  if (at < bytes.length) refuse(`is followed by ${bytes.length - at} bytes`);
}

/** Notes a key of the map that is open at a level. */
function takeKey(bytes: Uint8Array, at: number, length: number, level: number): void {
  if (length > LIMITS.keyBytes) refuse(`has a key of ${length} bytes`);
  for (let i = at; i < at + length; i++) {
    if (bytes[i] < 0x20 || bytes[i] > 0x7e) refuse("has a key that is not printable ASCII");
  }
  for (const name of DANGEROUS) {
    if (spells(bytes, at, length, name)) refuse(`has the key ${name}`);
  }
  const first = 2 * level * LIMITS.keys;
  const here = first + 2 * keys[level]++;
  for (let place = first; place < here; place += 2) {
    if (places[place + 1] === length && equal(bytes, places[place], at, length)) {
      refuse("has a key twice");
    }
  }
  places[here] = at;
  places[here + 1] = length;
}

function spells(bytes: Uint8Array, at: number, length: number, name: string): boolean {
  if (length !== name.length) return false;
  for (let i = 0; i < length; i++) if (bytes[at + i] !== name.charCodeAt(i)) return false;
  return true;
}

function equal(bytes: Uint8Array, a: number, b: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (bytes[a + i] !== bytes[b + i]) return false;
  return true;
}

/** A number of 64 bits that would be no exact number any more. */
function checkHeld(high: number, low: number): void {
  if (!Number.isSafeInteger(high * 2 ** 32 + low)) refuse("has a whole number beyond 2^53");
}

function refuse(problem: string): never {
  throw new ProtocolError(`a control document ${problem}`);
}
