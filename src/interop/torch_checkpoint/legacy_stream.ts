import type { ByteSource } from "../byte_source.ts";
import { DTYPE_BYTES } from "../stored_tensor.ts";
import { ByteCursor, corruptTorch } from "./byte_cursor.ts";
import {
  PickleDict,
  PickleRecord,
  type PickleValue,
  TorchStorage,
  TorchTensor,
} from "./pickle_values.ts";
import type { TorchContainer } from "./torch_checkpoint.ts";
import { unpickle } from "./unpickler.ts";

// The pickled magic number 0x1950a86a20f9469cfc6c that every such stream starts with.
const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;
export const STREAM_START = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a];

/**
 * The format of torch.save before PyTorch 1.6. Five pickles follow one another: magic number,
 * protocol, facts of the machine, the object, the list of storage keys. Then, for each key in that
 * order, an int64 count of elements and the elements.
 */
export function openStream(source: ByteSource): TorchContainer {
  const cursor = new ByteCursor(source, 0, source.size);
  const bad = (problem: string) => corruptTorch(source.place, problem);
  if (unpickle(cursor) !== MAGIC) throw bad("does not start with torch's magic number");
  const protocol = unpickle(cursor);
  if (protocol !== PROTOCOL) throw bad(`is of torch's stream protocol ${String(protocol)}`);
  const machine = unpickle(cursor);
  if (!(machine instanceof PickleDict) || machine.get("little_endian") !== true) {
    throw bad("was not written on a little-endian machine");
  }
  const root = unpickle(cursor);
  const keys = unpickle(cursor);
  if (!Array.isArray(keys)) throw bad("has no list of storages");
  const places = locateStorages(cursor, keys, widthsByKey(root), bad);
  return {
    root,
    readStorage({ key }) {
      const place = places.get(key);
      if (!place) throw bad(`storage ${key} is not in its list of storages`);
      return source.read(place.at, place.bytes);
    },
  };
}

function locateStorages(
  cursor: ByteCursor,
  keys: readonly PickleValue[],
  widths: ReadonlyMap<string, number>,
  bad: (problem: string) => Error,
): Map<string, { at: number; bytes: number }> {
  const places = new Map<string, { at: number; bytes: number }>();
  for (const key of keys) {
    const width = typeof key === "string" ? widths.get(key) : undefined;
    if (typeof key !== "string" || width === undefined) {
      throw bad(`lists a storage ${String(key)} that no tensor uses`);
    }
    const elements = Number(cursor.view(8).getBigInt64(0, true));
    const bytes = elements * width;
    if (elements < 0 || cursor.position + bytes > cursor.end) {
      throw bad(`is cut off: storage ${key} of ${elements} elements reaches beyond its end`);
    }
    places.set(key, { at: cursor.position, bytes });
    cursor.position += bytes;
  }
  return places;
}

/** Element sizes by storage key: the stream itself does not say them. */
function widthsByKey(root: PickleValue): Map<string, number> {
  const widths = new Map<string, number>();
  const seen = new Set<PickleValue>();
  const visit = (value: PickleValue): void => {
    if (typeof value !== "object" || value === null || seen.has(value)) return;
    seen.add(value);
    if (value instanceof TorchTensor) visit(value.storage);
    else if (value instanceof TorchStorage) widths.set(value.key, DTYPE_BYTES[value.dtype]);
    else if (value instanceof PickleDict) for (const item of value.values()) visit(item);
    else if (value instanceof PickleRecord) visit(value.fields);
    else if (Array.isArray(value)) for (const item of value) visit(item);
  };
  visit(root); // as deep as checkNesting allows
  return widths;
}
