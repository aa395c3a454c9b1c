import { UserError } from "../../config/user_error.ts";
import type { StoredDtype } from "../stored_tensor.ts";
import {
  isTuple,
  OrderedDict,
  PickleClass,
  PickleDict,
  type PickleKey,
  PickleRecord,
  PickleSet,
  type PickleValue,
  TorchStorage,
  TorchTensor,
} from "./pickle_values.ts";

// Every class and function that a pickle may name. A row says what calling it yields; nothing of
// Python is run. Whatever is not here is refused by name.

type Call = (values: readonly PickleValue[]) => PickleValue;

const STORAGES: Readonly<Record<string, StoredDtype>> = {
  "torch DoubleStorage": "F64",
  "torch FloatStorage": "F32",
  "torch HalfStorage": "F16",
  "torch BFloat16Storage": "BF16",
  "torch LongStorage": "I64",
  "torch IntStorage": "I32",
  "torch ShortStorage": "I16",
  "torch CharStorage": "I8",
  "torch ByteStorage": "U8",
  "torch BoolStorage": "BOOL",
};

// Plain holders of fields. fairseq before 0.9 pickled its meters whole.
const RECORDS: readonly string[] = [
  "argparse Namespace",
  ...["AverageMeter", "TimeMeter", "StopwatchMeter"].flatMap((meter) => [
    `fairseq.meters ${meter}`,
    `fairseq.logging.meters ${meter}`,
  ]),
];

const CALLS: ReadonlyMap<string, Call> = new Map<string, Call>([
  ["collections OrderedDict", ([pairs]) => orderedDict(pairs)],
  ["torch._utils _rebuild_tensor", (values) => rebuildTensor(values)],
  ["torch._utils _rebuild_tensor_v2", (values) => rebuildTensor(values)],
  ["torch._utils _rebuild_parameter", ([tensor]) => expectTensor(tensor)],
  ["builtins set", ([items]) => new PickleSet(keys(items))],
  ["__builtin__ set", ([items]) => new PickleSet(keys(items))],
  ...RECORDS.map((name): [string, Call] => [name, (values) => emptyRecord(name, values)]),
]);

/** The known class or function called `module name`. @throws UserError naming an unknown one. */
export function knownGlobal(module: string, name: string, place: string): PickleClass {
  const full = `${module} ${name}`;
  if (!CALLS.has(full) && !Object.hasOwn(STORAGES, full)) {
    throw new UserError({
      place,
      problem: `its pickle names ${JSON.stringify(`${module}.${name}`)}, which is not read`,
      remedy:
        "only tensors, plain containers and argparse.Namespace are; save the file again with plain values in place of such objects",
    });
  }
  return new PickleClass(full);
}

/** What calling a known class yields. @throws MalformedPickle on arguments of another form. */
export function callKnown(target: PickleValue, values: PickleValue): PickleValue {
  if (!(target instanceof PickleClass)) throw new MalformedPickle("calls what is no class");
  if (!Array.isArray(values)) throw new MalformedPickle(`${target.name} is called without a tuple`);
  const call = CALLS.get(target.name);
  if (!call) throw new MalformedPickle(`${target.name} is called`);
  return call(values);
}

/** Sets the fields of an object after it was made, as pickle's BUILD does. */
export function setState(target: PickleValue, state: PickleValue): void {
  if (target instanceof PickleRecord) {
    if (!(state instanceof PickleDict)) {
      throw new MalformedPickle(`the fields of ${target.className} are no dict`);
    }
    for (const [key, value] of state) target.fields.set(key, value);
  } else if (!(target instanceof OrderedDict)) {
    throw new MalformedPickle("sets fields of a value that has none");
  }
}

/** A storage that the pickle refers to from outside: ("storage", class, key, device, size[, view]). */
export function storageOf(id: PickleValue): TorchStorage {
  if (!isTuple(id) || id[0] !== "storage") throw new MalformedPickle("refers to no storage");
  const [, type, key, , elements, viewOf = null] = id;
  const dtype = type instanceof PickleClass ? STORAGES[type.name] : undefined;
  if (!dtype) throw new MalformedPickle("a storage has no known type");
  if (typeof key !== "string" || !isCount(elements)) {
    throw new MalformedPickle("a storage has no key or no size");
  }
  if (viewOf === null) return new TorchStorage(dtype, key, elements, 0);
  const [, start, size] = isTuple(viewOf) ? viewOf : [];
  if (!isCount(start) || !isCount(size) || start + size > elements) {
    throw new MalformedPickle(`the view of storage ${key} lies outside it`);
  }
  return new TorchStorage(dtype, key, size, start);
}

/** A pickle whose opcodes are in order but whose values are not; the unpickler adds the place. */
export class MalformedPickle extends Error {}

/** A dict key of plain type. */
export function asKey(value: PickleValue): PickleKey {
  if (value === null || typeof value !== "object") return value;
  throw new MalformedPickle("a key is neither text, number nor None");
}

function keys(items: PickleValue | undefined): PickleKey[] {
  if (items === undefined) return [];
  if (!Array.isArray(items)) throw new MalformedPickle("a set is made from no list");
  return items.map(asKey);
}

function orderedDict(pairs: PickleValue | undefined): OrderedDict {
  const dict = new OrderedDict();
  if (pairs === undefined) return dict;
  if (!Array.isArray(pairs)) throw new MalformedPickle("an OrderedDict is made from no list");
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) {
      throw new MalformedPickle("an OrderedDict has an item that is no pair");
    }
    dict.set(asKey(pair[0]), pair[1]);
  }
  return dict;
}

function emptyRecord(name: string, values: readonly PickleValue[]): PickleRecord {
  if (values.length > 0) throw new MalformedPickle(`${name} is called with arguments`);
  return new PickleRecord(name.replace(" ", "."));
}

function expectTensor(value: PickleValue | undefined): TorchTensor {
  if (value instanceof TorchTensor) return value;
  throw new MalformedPickle("a parameter holds no tensor");
}

/** (storage, offset, shape, strides, ...): the rest (gradients, hooks) has no meaning in a file. */
function rebuildTensor(values: readonly PickleValue[]): TorchTensor {
  const [storage, offset, shape, strides] = values;
  if (!(storage instanceof TorchStorage)) throw new MalformedPickle("a tensor has no storage");
  if (!isCount(offset) || !isCounts(shape) || !isCounts(strides)) {
    throw new MalformedPickle("a tensor's offset, shape or strides are no whole numbers");
  }
  if (shape.length !== strides.length) {
    throw new MalformedPickle(`a tensor has shape [${shape}] and strides [${strides}]`);
  }
  const last = shape.reduce((sum, size, i) => sum + (size - 1) * strides[i], offset);
  if (!shape.includes(0) && last >= storage.elements) {
    throw new MalformedPickle(
      `a tensor of shape [${shape}] reaches beyond its storage ${storage.key}`,
    );
  }
  return new TorchTensor(storage, offset, shape, strides);
}

const isCount = (value: PickleValue | undefined): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

const isCounts = (value: PickleValue | undefined): value is readonly number[] =>
  Array.isArray(value) && value.length <= 64 && value.every(isCount);
