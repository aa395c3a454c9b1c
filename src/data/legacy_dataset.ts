// fairseq's older binary format ("cached" and "lazy"), little-endian. Ids are stored plus one, a
// heritage of Lua's arrays.
//
//   PREFIX.idx   "TNTIDX\0\0", u64 version 1, u64 element type, u64 element size, u64 N, u64 S,
//                i64[N+1] dimension offsets, i64[N+1] element offsets, i64[S] sizes
//   PREFIX.bin   the sequences' elements, one after another
import { writeFileSync } from "node:fs";
import { elementTypeOf, I32 } from "./element_type.ts";
import { type IndexedDataset, SequenceFile } from "./indexed_dataset_file.ts";
import { BinFile, damaged, IndexReader } from "./indexed_files.ts";

export const LEGACY_MAGIC = "TNTIDX\0\0";

/** @throws UserError naming the file that is missing, truncated or of another kind. */
export function openLegacyDataset(prefix: string): IndexedDataset {
  const index = new IndexReader(`${prefix}.idx`);
  if (index.magic(LEGACY_MAGIC.length) !== LEGACY_MAGIC) {
    throw damaged(index.path, `the file does not begin with "TNTIDX"`);
  }
  const version = index.u64();
  if (version !== 1) throw damaged(index.path, `version ${version} is not 1`);
  const type = elementTypeOf(index.u64(), index.path);
  const bytes = index.u64();
  if (bytes !== type.bytes) {
    throw damaged(index.path, `element size ${bytes} does not fit element type ${type.code}`);
  }
  const length = index.u64();
  const sizesLength = index.u64();
  const dimensions = index.i64s(length + 1);
  const offsets = index.i64s(length + 1);
  const sizes = Int32Array.from(index.i64s(sizesLength));
  if (sizesLength !== length || dimensions.some((value, i) => value !== i)) {
    throw damaged(index.path, `the sequences are not one-dimensional`);
  }
  const bin = new BinFile(`${prefix}.bin`, (offsets[length] ?? 0) * type.bytes);
  return {
    length,
    sizes,
    elementType: type,
    get(i) {
      const size = sizes[i] ?? 0;
      const elements = bin.read((offsets[i] ?? 0) * type.bytes, size * type.bytes);
      return type.decode(elements, size).map((stored) => stored - 1);
    },
    close: () => bin.close(),
  };
}

/** Writes the format as fairseq does: always int32. */
export class LegacyDatasetWriter {
  readonly elementType = I32;
  readonly #bin: SequenceFile;
  readonly #sizes: Int32Array[] = [];

  constructor(readonly prefix: string) {
    this.#bin = new SequenceFile(`${prefix}.bin`);
  }

  add(ids: ArrayLike<number>): void {
    this.addEncoded(this.elementType.encode(ids), Int32Array.of(ids.length));
  }

  /** Appends sequences given as plain int32 elements; adds the one. */
  addEncoded(elements: Uint8Array, sizes: Int32Array): void {
    const ids = this.elementType.decode(elements, elements.length / this.elementType.bytes);
    this.#bin.write(this.elementType.encode(ids.map((id) => id + 1)));
    this.#sizes.push(sizes);
  }

  finish(): void {
    this.#bin.close();
    const sizes = this.#sizes.flatMap((part) => [...part]);
    const words: number[] = [1, this.elementType.code, this.elementType.bytes];
    words.push(sizes.length, sizes.length);
    for (let i = 0; i <= sizes.length; i++) words.push(i);
    let offset = 0;
    words.push(offset);
    for (const size of sizes) {
      offset += size;
      words.push(offset);
    }
    const body = new BigInt64Array(words.length + sizes.length);
    for (const [i, word] of [...words, ...sizes].entries()) body[i] = BigInt(word);
    const bytes = new Uint8Array(LEGACY_MAGIC.length + body.byteLength);
    bytes.set(new TextEncoder().encode(LEGACY_MAGIC));
    bytes.set(new Uint8Array(body.buffer), LEGACY_MAGIC.length);
    writeFileSync(`${this.prefix}.idx`, bytes);
  }
}
