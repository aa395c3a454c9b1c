import { PickleDict, PickleRecord, type PickleValue } from "./torch_checkpoint/pickle_values.ts";

/** What JSON can hold. */
export type Plain = null | boolean | number | string | Plain[] | { [key: string]: Plain };

/** A dict, or the fields of a namespace; empty for anything else. */
export function fieldsOf(value: PickleValue | undefined): PickleDict {
  if (value instanceof PickleDict) return value;
  return value instanceof PickleRecord ? value.fields : new PickleDict();
}

/**
 * Configuration out of a pickle as plain values: dicts and namespaces become objects, tuples
 * arrays, integers beyond 2^53 the nearest number. Tensors and other things that are no
 * configuration are left out.
 */
export function plainObject(value: PickleValue | undefined): { [key: string]: Plain } {
  const entries: [string, Plain][] = [];
  for (const [key, item] of fieldsOf(value)) {
    const plain = plainValue(item);
    if (plain !== undefined) entries.push([String(key), plain]);
  }
  return Object.fromEntries(entries);
}

function plainValue(value: PickleValue): Plain | undefined {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "number" || typeof value === "string") return value;
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) {
    return value.map(plainValue).filter((item) => item !== undefined);
  }
  if (value instanceof PickleDict || value instanceof PickleRecord) return plainObject(value);
  return undefined;
}
