// fairseq's default binary format ("mmap"), little-endian:
//
//   PREFIX.idx   "MMIDIDX\0\0", u64 version 1, u8 element type, u64 N,
//                i32[N] sizes, i64[N] byte offsets into the .bin
//   PREFIX.bin   the sequences' elements, one after another

import { writeFileSync } from "node:fs";
import { type ElementType, elementTypeOf } from "./element_type.ts";
import { type IndexedDataset, SequenceFile } from "./indexed_dataset_file.ts";
import { BinFile, damaged, IndexReader } from "./indexed_files.ts";

export const MMAP_MAGIC = "MMIDIDX\0\0";

/** @throws UserError naming the file that is missing, truncated or of another kind. */
export function openMmapDataset(prefix: string): IndexedDataset {
  const index = new IndexReader(`${prefix}.idx`);
  if (index.magic(MMAP_MAGIC.length) !== MMAP_MAGIC) {
    throw damaged(index.path, `the file does not begin with "MMIDIDX"`);
  }
  const version = index.u64();
  if (version !== 1) throw damaged(index.path, `version ${version} is not 1`);
  const type = elementTypeOf(index.u8(), index.path);
  const length = index.u64();
  const sizes = index.i32s(length);
  const offsets = index.i64s(length);
  let end = 0;
  for (const [i, size] of sizes.entries()) {
    if (size < 0 || (offsets[i] ?? -1) < 0) {
      throw damaged(index.path, `sequence ${i} has size ${size} at byte ${offsets[i]}`);
    }
    end = Math.max(end, (offsets[i] ?? 0) + size * type.bytes);
  }
  const bin = new BinFile(`${prefix}.bin`, end);
  return {
    length,
    sizes,
    elementType: type,
    get(i) {
      const size = sizes[i] ?? 0;
      return type.decode(bin.read(offsets[i] ?? 0, size * type.bytes), size);
    },
    close: () => bin.close(),
  };
}

/** Writes PREFIX.bin sequence by sequence, and PREFIX.idx at the end: without it nobody opens it. */
export class MmapDatasetWriter {
  readonly #bin: SequenceFile;
  readonly #sizes: Int32Array[] = [];

  constructor(
    readonly prefix: string,
    readonly elementType: ElementType,
  ) {
    this.#bin = new SequenceFile(`${prefix}.bin`);
  }

  /** Appends one sequence. */
  add(ids: ArrayLike<number>): void {
    this.addEncoded(this.elementType.encode(ids), Int32Array.of(ids.length));
  }

  /** Appends sequences whose elements are encoded already. */
  addEncoded(elements: Uint8Array, sizes: Int32Array): void {
    this.#bin.write(elements);
    this.#sizes.push(sizes);
  }

  finish(): void {
    this.#bin.close();
    const length = this.#sizes.reduce((sum, part) => sum + part.length, 0);
    const header = MMAP_MAGIC.length + 8 + 1 + 8;
    const bytes = new Uint8Array(header + 12 * length);
    const view = new DataView(bytes.buffer);
    bytes.set(new TextEncoder().encode(MMAP_MAGIC));
    view.setBigUint64(MMAP_MAGIC.length, 1n, true);
    view.setUint8(MMAP_MAGIC.length + 8, this.elementType.code);
    view.setBigUint64(header - 8, BigInt(length), true);
    let sizeAt = header;
    let offsetAt = header + 4 * length;
    let offset = 0;
    for (const part of this.#sizes) {
      for (const size of part) {
        view.setInt32(sizeAt, size, true);
        view.setUint32(offsetAt, offset % 4294967296, true);
        view.setUint32(offsetAt + 4, Math.floor(offset / 4294967296), true);
        sizeAt += 4;
        offsetAt += 8;
        offset += size * this.elementType.bytes;
      }
    }
    writeFileSync(`${this.prefix}.idx`, bytes);
  }
}
