// The safetensors format: an 8-byte little-endian header length, a JSON header padded with spaces,
// then the tensors' bytes without gaps. Reading copies only the tensors asked for; writing streams.
import { UserError } from "../config/user_error.ts";
import type { ByteSource } from "./byte_source.ts";
import { openFileSource } from "./file_source.ts";
import {
  corruptSafetensors,
  parseSafetensorsHeader,
  type SafetensorsHeader,
} from "./safetensors_header.ts";
import { DTYPE_BYTES, elementCount, type StoredDtype, type StoredTensor } from "./stored_tensor.ts";

// The format's own bound: a longer header is taken for a damaged or hostile file.
const LARGEST_HEADER = 100_000_000;

/** An open safetensors file: the header is checked, the tensors are read one by one. */
export interface SafetensorsFile extends SafetensorsHeader {
  /** @throws UserError if no tensor has that name. */
  read(name: string): StoredTensor;
  close(): void;
}

/**
 * Opens a safetensors file and checks its whole header (see parseSafetensorsHeader).
 *
 * @throws UserError naming the file if it is absent, cut off, damaged or of another format.
 */
export function openSafetensors(source: string | ByteSource): SafetensorsFile {
  const bytes = typeof source === "string" ? openFileSource(source) : source;
  try {
    const { header, dataStart } = readHeader(bytes);
    return {
      ...header,
      read(name) {
        const slot = header.tensors.get(name);
        if (!slot) throw corruptSafetensors(bytes.place, `holds no tensor ${JSON.stringify(name)}`);
        const { dtype, shape, begin, end } = slot;
        return { dtype, shape, bytes: bytes.read(dataStart + begin, end - begin) };
      },
      close: () => bytes.close(),
    };
  } catch (error) {
    bytes.close();
    throw error;
  }
}

/** Reads a whole safetensors file. Errors as openSafetensors. */
export function readSafetensors(source: string | ByteSource): {
  metadata: Readonly<Record<string, string>>;
  tensors: Map<string, StoredTensor>;
} {
  const file = openSafetensors(source);
  try {
    const names = [...file.tensors.keys()];
    return {
      metadata: file.metadata,
      tensors: new Map(names.map((name) => [name, file.read(name)])),
    };
  } finally {
    file.close();
  }
}

function readHeader(bytes: ByteSource): { header: SafetensorsHeader; dataStart: number } {
  const { place, size } = bytes;
  if (size < 8) throw noCheckpoint(place, `has ${size} bytes, too few for a header`);
  const prefix = bytes.read(0, 8);
  const length = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(LARGEST_HEADER)) {
    throw noCheckpoint(place, `claims a header of ${length} bytes`);
  }
  const dataStart = 8 + Number(length);
  if (dataStart > size) {
    throw corruptSafetensors(place, `is cut off: header of ${length} bytes in a file of ${size}`);
  }
  const json = bytes.read(8, Number(length));
  return { header: parseSafetensorsHeader(json, size - dataStart, place), dataStart };
}

/** The error of what begins as no safetensors file does: text, an archive, a file of another program. */
function noCheckpoint(place: string, problem: string): UserError {
  return new UserError({
    place,
    problem: `${problem}: it is neither a safetensors file nor one of PyTorch's`,
    remedy: "give a checkpoint of weft train (.safetensors) or of fairseq-train (.pt)",
  });
}

/** A tensor to write; its bytes are asked for when their turn comes, so that few lie in memory. */
export interface SafetensorsEntry {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  data(): Uint8Array | Promise<Uint8Array>;
}

/** Takes bytes in order. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<void>;
}

/**
 * Streams a safetensors file into `sink`. Tensors are laid out by falling element size, else in
 * the order given, so that each starts at a multiple of its element size.
 *
 * @throws Error if a name occurs twice or an entry's data has not the bytes of its shape: both are
 * the caller's mistakes.
 */
export async function writeSafetensors(
  sink: ByteSink,
  entries: readonly SafetensorsEntry[],
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const ordered = [...entries].sort((a, b) => DTYPE_BYTES[b.dtype] - DTYPE_BYTES[a.dtype]);
  await sink.write(encodeHeader(ordered, metadata));
  for (const entry of ordered) {
    const data = await entry.data();
    if (data.byteLength !== byteCount(entry)) {
      throw new Error(
        `tensor ${entry.name} of ${byteCount(entry)} bytes was given ${data.byteLength}`,
      );
    }
    if (data.byteLength > 0) await sink.write(data);
  }
}

function encodeHeader(
  entries: readonly SafetensorsEntry[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  // Pairs, not an object: JavaScript would move keys such as "1" to the front.
  const members = [`"__metadata__":${JSON.stringify(metadata)}`];
  const names = new Set(["__metadata__"]);
  let begin = 0;
  for (const entry of entries) {
    const { name, dtype, shape } = entry;
    if (names.has(name)) throw new Error(`tensor ${name} is written twice`);
    names.add(name);
    const end = begin + byteCount(entry);
    members.push(
      `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`,
    );
    begin = end;
  }
  const json = new TextEncoder().encode(`{${members.join(",")}}`);
  const padded = Math.ceil(json.byteLength / 8) * 8;
  const bytes = new Uint8Array(8 + padded).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, 8);
  return bytes;
}

const byteCount = (entry: SafetensorsEntry) => elementCount(entry.shape) * DTYPE_BYTES[entry.dtype];
