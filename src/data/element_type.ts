// Element types of the indexed formats: a code in the header, the size, how elements become ids.
import { UserError } from "../config/user_error.ts";

export interface ElementType {
  readonly code: number;
  readonly bytes: number;
  /** `count` elements at the start of `bytes`, as ids. */
  decode(bytes: Uint8Array, count: number): Int32Array;
  /** Ids as elements, little-endian. */
  encode(ids: ArrayLike<number>): Uint8Array;
}

/** The type fairseq chooses for a vocabulary: u16 below 65,500 symbols, else u32; u32 if unknown. */
export function elementTypeFor(vocabulary?: number): ElementType {
  if (vocabulary === undefined) return U32;
  return vocabulary < 65500 ? U16 : vocabulary < 4294967295 ? U32 : I64;
}

/** @throws UserError for codes of types that cannot hold ids. */
export function elementTypeOf(code: number, place: string): ElementType {
  const type = ALL.find((candidate) => candidate.code === code);
  if (type) return type;
  throw new UserError({
    place,
    problem: `element type code ${code} is none of ${ALL.map((t) => t.code).join(", ")}`,
    remedy: "binarise the text again with weft preprocess",
  });
}

type Read = (view: DataView, offset: number) => number;
type Write = (view: DataView, offset: number, id: number) => void;

function elementType(code: number, bytes: number, read: Read, write: Write): ElementType {
  return {
    code,
    bytes,
    decode(source, count) {
      const view = new DataView(source.buffer, source.byteOffset, source.byteLength);
      const ids = new Int32Array(count);
      for (let i = 0; i < count; i++) ids[i] = read(view, i * bytes);
      return ids;
    },
    encode(ids) {
      const target = new Uint8Array(ids.length * bytes);
      const view = new DataView(target.buffer);
      for (let i = 0; i < ids.length; i++) write(view, i * bytes, ids[i] ?? 0);
      return target;
    },
  };
}

const U8 = elementType(
  1,
  1,
  (v, o) => v.getUint8(o),
  (v, o, id) => v.setUint8(o, id),
);
const I8 = elementType(
  2,
  1,
  (v, o) => v.getInt8(o),
  (v, o, id) => v.setInt8(o, id),
);
const I16 = elementType(
  3,
  2,
  (v, o) => v.getInt16(o, true),
  (v, o, id) => v.setInt16(o, id, true),
);
export const I32 = elementType(
  4,
  4,
  (v, o) => v.getInt32(o, true),
  (v, o, id) => v.setInt32(o, id, true),
);
const I64 = elementType(
  5,
  8,
  (v, o) => Number(v.getBigInt64(o, true)),
  (v, o, id) => v.setBigInt64(o, BigInt(id), true),
);
const U16 = elementType(
  8,
  2,
  (v, o) => v.getUint16(o, true),
  (v, o, id) => v.setUint16(o, id, true),
);
const U32 = elementType(
  9,
  4,
  (v, o) => v.getUint32(o, true),
  (v, o, id) => v.setUint32(o, id, true),
);
const U64 = elementType(
  10,
  8,
  (v, o) => Number(v.getBigUint64(o, true)),
  (v, o, id) => v.setBigUint64(o, BigInt(id), true),
);
const ALL = [U8, I8, I16, I32, I64, U16, U32, U64];
