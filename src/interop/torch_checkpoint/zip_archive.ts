// Zip archives as torch.save writes them: stored entries (a deflated one is read too, should the
// file have been packed again), zip64 beyond 4 GiB. Only the central directory is read at first.
import { crc32 } from "node:zlib";
import { inflateSync } from "fflate";
import type { ByteSource } from "../byte_source.ts";
import { corruptTorch } from "./byte_cursor.ts";

const LOCAL_ENTRY = 0x04034b50;
const CENTRAL_ENTRY = 0x02014b50;
const END = 0x06054b50;
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
const LONGEST_COMMENT = 0xffff;
// Deflate cannot shrink by more; a directory that claims more is a bomb.
const BEST_RATIO = 1032;

interface Entry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  readonly headerAt: number;
}

/** An archive whose directory is known. */
export class ZipArchive {
  private constructor(
    private readonly source: ByteSource,
    private readonly entries: ReadonlyMap<string, Entry>,
  ) {}

  /** True if the bytes start as a zip file does. */
  static matches(source: ByteSource): boolean {
    return source.size >= 4 && viewOf(source, 0, 4).getUint32(0, true) === LOCAL_ENTRY;
  }

  /** @throws UserError naming the file if its directory is cut off or contradicts itself. */
  static open(source: ByteSource): ZipArchive {
    const { at, bytes, count } = findDirectory(source);
    return new ZipArchive(source, readDirectory(source, at, bytes, count));
  }

  names(): IterableIterator<string> {
    return this.entries.keys();
  }

  /** Bytes of an entry once unpacked, or undefined if there is none of that name. */
  sizeOf(name: string): number | undefined {
    return this.entries.get(name)?.size;
  }

  /** The entry's bytes, checked against its CRC. @throws UserError if absent or damaged. */
  read(name: string): Uint8Array {
    const { source } = this;
    const entry = this.entries.get(name);
    if (!entry) throw corruptTorch(source.place, `its zip archive has no entry ${name}`);
    const bytes = unpack(source, entry);
    if (crc32(bytes) !== entry.crc) {
      throw corruptTorch(source.place, `zip entry ${name} does not match its checksum`);
    }
    return bytes;
  }
}

function unpack(source: ByteSource, entry: Entry): Uint8Array {
  const { name, headerAt, packed, size, method } = entry;
  const bad = (problem: string) => corruptTorch(source.place, `zip entry ${name} ${problem}`);
  if (headerAt + 30 > source.size) throw bad("starts beyond the end of the file");
  const header = viewOf(source, headerAt, 30);
  if (header.getUint32(0, true) !== LOCAL_ENTRY) throw bad("has no header");
  const start = headerAt + 30 + header.getUint16(26, true) + header.getUint16(28, true);
  if (start + packed > source.size) throw bad("reaches beyond the end of the file");
  if (method === 0) {
    if (packed !== size) throw bad(`is stored in ${packed} bytes but claims ${size}`);
    return source.read(start, size);
  }
  if (method !== 8) throw bad(`is packed by method ${method}, which is not read`);
  if (size > (packed + 1) * BEST_RATIO) throw bad(`claims ${size} bytes in ${packed}`);
  let bytes: Uint8Array;
  try {
    bytes = inflateSync(source.read(start, packed), { out: new Uint8Array(size) });
  } catch {
    throw bad("cannot be unpacked");
  }
  if (bytes.length !== size) throw bad(`unpacks to ${bytes.length} bytes, not ${size}`);
  return bytes;
}

/** The directory's place, from the record at the end of the file (and zip64's before it). */
function findDirectory(source: ByteSource): { at: number; bytes: number; count: number } {
  const tailLength = Math.min(source.size, 22 + LONGEST_COMMENT);
  const tailAt = source.size - tailLength;
  const tail = viewOf(source, tailAt, tailLength);
  for (let i = tailLength - 22; i >= 0; i--) {
    if (tail.getUint32(i, true) !== END) continue;
    const small = {
      at: tail.getUint32(i + 16, true),
      bytes: tail.getUint32(i + 12, true),
      count: tail.getUint16(i + 10, true),
    };
    return findDirectory64(source, tailAt + i - 20) ?? small;
  }
  throw corruptTorch(source.place, "is cut off: its zip archive has no directory");
}

function findDirectory64(source: ByteSource, locatorAt: number) {
  if (locatorAt < 0) return undefined;
  const locator = viewOf(source, locatorAt, 20);
  if (locator.getUint32(0, true) !== LOCATOR_64) return undefined;
  const at = Number(locator.getBigUint64(8, true));
  if (at + 56 > source.size) throw corruptTorch(source.place, "its zip64 record lies outside it");
  const record = viewOf(source, at, 56);
  if (record.getUint32(0, true) !== END_64) {
    throw corruptTorch(source.place, "its zip64 record is damaged");
  }
  return {
    at: Number(record.getBigUint64(48, true)),
    bytes: Number(record.getBigUint64(40, true)),
    count: Number(record.getBigUint64(32, true)),
  };
}

function readDirectory(source: ByteSource, at: number, bytes: number, count: number) {
  const bad = (problem: string) => corruptTorch(source.place, `its zip directory ${problem}`);
  if (at + bytes > source.size) throw bad("lies outside the file");
  const view = viewOf(source, at, bytes);
  const entries = new Map<string, Entry>();
  let i = 0;
  for (let n = 0; n < count; n++) {
    if (i + 46 > bytes || view.getUint32(i, true) !== CENTRAL_ENTRY) {
      throw bad(`ends after ${n} of ${count} entries`);
    }
    const nameLength = view.getUint16(i + 28, true);
    const extraLength = view.getUint16(i + 30, true);
    const next = i + 46 + nameLength + extraLength + view.getUint16(i + 32, true);
    if (next > bytes) throw bad("is cut off");
    const name = new TextDecoder().decode(
      new Uint8Array(view.buffer, view.byteOffset + i + 46, nameLength),
    );
    if (entries.has(name)) throw bad(`names ${name} twice`);
    const sizes = {
      size: view.getUint32(i + 24, true),
      packed: view.getUint32(i + 20, true),
      headerAt: view.getUint32(i + 42, true),
    };
    widen(sizes, view, i + 46 + nameLength, extraLength);
    const [method, crc] = [view.getUint16(i + 10, true), view.getUint32(i + 16, true)];
    entries.set(name, { name, method, crc, ...sizes });
    i = next;
  }
  return entries;
}

/** Replaces the fields that do not fit 32 bits by those of the zip64 extra field, in its order. */
function widen(
  sizes: { size: number; packed: number; headerAt: number },
  view: DataView,
  start: number,
  length: number,
): void {
  for (let i = start; i + 4 <= start + length; i += 4 + view.getUint16(i + 2, true)) {
    if (view.getUint16(i, true) !== 1) continue;
    const end = Math.min(i + 4 + view.getUint16(i + 2, true), start + length);
    let at = i + 4;
    for (const key of ["size", "packed", "headerAt"] as const) {
      if (sizes[key] !== 0xffffffff || at + 8 > end) continue;
      sizes[key] = Number(view.getBigUint64(at, true));
      at += 8;
    }
  }
}

function viewOf(source: ByteSource, offset: number, length: number): DataView {
  const bytes = source.read(offset, length);
  return new DataView(bytes.buffer, bytes.byteOffset, length);
}
