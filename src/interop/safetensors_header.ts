import { UserError } from "../config/user_error.ts";
import { DTYPE_BYTES, elementCount, isStoredDtype, type StoredDtype } from "./stored_tensor.ts";

/** Where a tensor lies: bytes [begin, end) after the header. */
export interface SafetensorsSlot {
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly metadata: Readonly<Record<string, string>>;
  /** In order of their bytes. */
  readonly tensors: ReadonlyMap<string, SafetensorsSlot>;
}

/**
 * Reads and checks a safetensors header: a JSON object of name -> {dtype, shape, data_offsets},
 * plus `__metadata__` (text to text). Every slot must have exactly the bytes of its shape, and the
 * slots together must cover the `dataBytes` after the header without gaps or overlaps, as the
 * format demands. Slots need not be aligned; readers copy.
 *
 * @throws UserError naming `place` and the tensor.
 */
export function parseSafetensorsHeader(
  json: Uint8Array,
  dataBytes: number,
  place: string,
): SafetensorsHeader {
  const parsed = parseObject(json, place);
  const slots: [string, SafetensorsSlot][] = [];
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(parsed)) {
    if (name === "__metadata__") metadata = checkMetadata(value, place);
    else slots.push([name, checkSlot(name, value, place)]);
  }
  slots.sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  for (const [name, { begin, end }] of slots) {
    if (begin < covered) {
      throw corruptSafetensors(place, `tensor ${quote(name)} overlaps the one before it`);
    }
    if (begin > covered) {
      throw corruptSafetensors(
        place,
        `bytes ${covered} to ${begin}, before ${quote(name)}, belong to no tensor`,
      );
    }
    covered = end;
  }
  if (covered !== dataBytes) {
    const [has, needs] = [`${dataBytes} bytes of data`, `its tensors need ${covered}`];
    throw corruptSafetensors(
      place,
      dataBytes < covered ? `is cut off: ${has}, ${needs}` : `${has}, ${needs}`,
    );
  }
  return { metadata, tensors: new Map(slots) };
}

/** The error of a file that cannot be what it claims to be. */
export function corruptSafetensors(place: string, problem: string): UserError {
  return new UserError({
    place,
    problem,
    remedy: "the file is damaged or no safetensors file; copy or write it again",
  });
}

function parseObject(json: Uint8Array, place: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json));
  } catch {
    throw corruptSafetensors(place, "the safetensors header is not JSON in UTF-8");
  }
  if (!isRecord(parsed))
    throw corruptSafetensors(place, "the safetensors header is no JSON object");
  return parsed;
}

function checkMetadata(value: unknown, place: string): Record<string, string> {
  if (!isRecord(value)) throw corruptSafetensors(place, "__metadata__ is no JSON object");
  const metadata: Record<string, string> = {};
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") {
      throw corruptSafetensors(place, `__metadata__ ${quote(key)} is not text`);
    }
    metadata[key] = text;
  }
  return metadata;
}

function checkSlot(name: string, value: unknown, place: string): SafetensorsSlot {
  const bad = (problem: string) => corruptSafetensors(place, `tensor ${quote(name)}: ${problem}`);
  if (!isRecord(value)) throw bad("its entry is no JSON object");
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== "string" || !isStoredDtype(dtype)) {
    throw new UserError({
      place,
      problem: `tensor ${quote(name)} has dtype ${quote(dtype)}`,
      remedy: `convert it to one of ${Object.keys(DTYPE_BYTES).join(", ")}`,
    });
  }
  if (!isSizes(shape)) throw bad(`shape ${quote(shape)} is no list of whole numbers`);
  if (!isSizes(offsets) || offsets.length !== 2) {
    throw bad(`data_offsets ${quote(offsets)} are no [begin, end]`);
  }
  const [begin = 0, end = 0] = offsets;
  const needed = elementCount(shape) * DTYPE_BYTES[dtype];
  if (!Number.isSafeInteger(needed) || end - begin !== needed) {
    throw bad(
      `${dtype} of shape [${shape}] needs ${needed} bytes, data_offsets give ${end - begin}`,
    );
  }
  return { dtype, shape, begin, end };
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const quote = (value: unknown): string => {
  const text = JSON.stringify(value) ?? "missing";
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
};
