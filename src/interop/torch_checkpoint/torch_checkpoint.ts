// Files of torch.save, read without Python. Two containers hold the same thing, a pickle and raw
// storages: a zip archive (PyTorch 1.6 and later) and a stream (before).
import { type ByteSource, bytesSource } from "../byte_source.ts";
import { openFileSource } from "../file_source.ts";
import { DTYPE_BYTES, elementCount, type StoredTensor } from "../stored_tensor.ts";
import { ByteCursor, corruptTorch } from "./byte_cursor.ts";
import { openStream, STREAM_START } from "./legacy_stream.ts";
import type { PickleValue, TorchStorage, TorchTensor } from "./pickle_values.ts";
import { unpickle } from "./unpickler.ts";
import { ZipArchive } from "./zip_archive.ts";

const LARGEST_EXPANDED = 1 << 26;

/** An open .pt file: the object is known, tensors are read when asked for. */
export interface TorchCheckpoint {
  readonly root: PickleValue;
  /**
   * The tensor's elements in row-major order, whatever its strides. Tensors that share a storage
   * may share their bytes: do not write into them.
   */
  read(tensor: TorchTensor): StoredTensor;
  close(): void;
}

/** Where a container keeps its storages. */
export interface TorchContainer {
  readonly root: PickleValue;
  /** All bytes of the storage that the file holds under this key. */
  readStorage(storage: TorchStorage): Uint8Array;
}

/** True if the file looks like one of torch.save's, by its first bytes. */
export function isTorchCheckpoint(source: ByteSource): boolean {
  return ZipArchive.matches(source) || startsAsStream(source);
}

/**
 * Opens a file of torch.save. Nothing in it is executed: see unpickler.ts.
 *
 * @throws UserError naming the file: absent, cut off, damaged, of another format, or naming a
 * class that is not read.
 */
export function openTorchCheckpoint(file: string | ByteSource): TorchCheckpoint {
  const source = typeof file === "string" ? openFileSource(file) : file;
  try {
    const container = openContainer(source);
    // Kept while the file is open: tied weights, and flat storages with hundreds of views.
    const storages = new Map<string, Uint8Array>();
    return {
      root: container.root,
      read(tensor) {
        const { key } = tensor.storage;
        const bytes = storages.get(key) ?? container.readStorage(tensor.storage);
        storages.set(key, bytes);
        return contiguous(tensor, bytes, source.place);
      },
      close() {
        storages.clear();
        source.close();
      },
    };
  } catch (error) {
    source.close();
    throw error;
  }
}

function openContainer(source: ByteSource): TorchContainer {
  if (ZipArchive.matches(source)) return openZip(source);
  if (startsAsStream(source)) return openStream(source);
  throw corruptTorch(source.place, "does not start as a file of torch.save does");
}

const startsAsStream = (source: ByteSource): boolean =>
  source.size >= STREAM_START.length &&
  source.read(0, STREAM_START.length).every((byte, i) => byte === STREAM_START[i]);

function openZip(source: ByteSource): TorchContainer {
  const archive = ZipArchive.open(source);
  const pickles = [...archive.names()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  const [pickle] = pickles;
  if (!pickle || pickles.length > 1) {
    throw corruptTorch(source.place, `is a zip archive with ${pickles.length} entries */data.pkl`);
  }
  const folder = pickle.slice(0, -"data.pkl".length);
  const orderEntry = `${folder}byteorder`;
  if (archive.sizeOf(orderEntry) !== undefined) {
    const order = new TextDecoder().decode(archive.read(orderEntry));
    if (order !== "little") throw corruptTorch(source.place, `its byte order is "${order}"`);
  }
  const bytes = archive.read(pickle);
  return {
    root: unpickle(new ByteCursor(bytesSource(bytes, source.place), 0, bytes.length)),
    readStorage: ({ key }) => archive.read(`${folder}data/${key}`),
  };
}

function contiguous(tensor: TorchTensor, storage: Uint8Array, place: string): StoredTensor {
  const { shape, strides } = tensor;
  const { dtype, start, key } = tensor.storage;
  const width = DTYPE_BYTES[dtype];
  const first = (start + tensor.offset) * width;
  const count = elementCount(shape);
  const last = shape.reduce((sum, size, i) => sum + (size - 1) * strides[i] * width, first);
  if (count > 0 && last + width > storage.length) {
    throw corruptTorch(place, `storage ${key} has ${storage.length} bytes, a tensor needs more`);
  }
  if (count === 0) return { dtype, shape, bytes: new Uint8Array(0) };
  if (isRowMajor(shape, strides)) {
    return { dtype, shape, bytes: storage.subarray(first, first + count * width) };
  }
  // Strides of 0, as of x.expand(), can make a tensor of any size from a file of any size.
  if (count * width > Math.max(storage.length, LARGEST_EXPANDED)) {
    throw corruptTorch(place, `a tensor of shape [${shape}] is larger than its storage ${key}`);
  }
  return { dtype, shape, bytes: gather(storage, first, shape, strides, width) };
}

function isRowMajor(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis] ?? 1;
    if (size !== 1 && strides[axis] !== expected) return false;
    expected *= size;
  }
  return true;
}

function gather(
  storage: Uint8Array,
  first: number,
  shape: readonly number[],
  strides: readonly number[],
  width: number,
): Uint8Array {
  const bytes = new Uint8Array(elementCount(shape) * width);
  const index = shape.map(() => 0);
  let from = first;
  for (let to = 0; to < bytes.length; to += width) {
    for (let i = 0; i < width; i++) bytes[to + i] = storage[from + i];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const step = strides[axis] * width;
      const next = index[axis] + 1;
      if (next < (shape[axis] ?? 1)) {
        index[axis] = next;
        from += step;
        break;
      }
      from -= index[axis] * step;
      index[axis] = 0;
    }
  }
  return bytes;
}
