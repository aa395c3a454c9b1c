// What a restricted unpickling yields. Python's None, bool, int, float, str and bytes become null,
// boolean, number (bigint beyond 2^53), number, string and Uint8Array; a list becomes an array, a
// tuple a frozen array, a dict a Map in insertion order.
import type { StoredDtype } from "../stored_tensor.ts";

export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly PickleValue[]
  | PickleDict
  | PickleSet
  | PickleRecord
  | PickleClass
  | TorchStorage
  | TorchTensor;

export type PickleKey = null | boolean | number | bigint | string;

export class PickleDict extends Map<PickleKey, PickleValue> {}

/** collections.OrderedDict; what modules hang on it as attributes (`_metadata`) is left out. */
export class OrderedDict extends PickleDict {}

export class PickleSet extends Set<PickleKey> {}

/** An instance of a known class, as its fields: no code of that class exists here. */
export class PickleRecord {
  readonly fields = new PickleDict();
  constructor(readonly className: string) {}
}

/** A class or function that the unpickler knows, by its dotted name. */
export class PickleClass {
  constructor(readonly name: string) {}
}

/** A run of elements in the file; several tensors may share one. */
export class TorchStorage {
  constructor(
    readonly dtype: StoredDtype,
    readonly key: string,
    readonly elements: number,
    /** First element inside the storage that the file holds under `key`. */
    readonly start: number,
  ) {}
}

/** A strided view of a storage; all counts are in elements. Checked to lie inside it. */
export class TorchTensor {
  constructor(
    readonly storage: TorchStorage,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

export const isTuple = (value: PickleValue): value is readonly PickleValue[] =>
  Array.isArray(value) && Object.isFrozen(value);
