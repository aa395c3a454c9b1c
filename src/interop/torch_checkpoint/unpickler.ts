// A restricted unpickler. A pickle is a program for a small stack machine; this machine knows the
// opcodes that protocols 2 to 4 use for data, and a short list of classes (known_globals.ts) that
// it rebuilds as plain values. No code can be run by it, and every opcode costs no more time or
// memory than the bytes it occupies.
import type { ByteCursor } from "./byte_cursor.ts";
import {
  asKey,
  callKnown,
  knownGlobal,
  MalformedPickle,
  setState,
  storageOf,
} from "./known_globals.ts";
import { checkNesting } from "./pickle_nesting.ts";
import { PickleDict, PickleSet, type PickleValue } from "./pickle_values.ts";

const LONGEST_PICKLE = 1 << 26; // tensors lie outside it: real ones have a few hundred kilobytes
const LONGEST_NAME = 256;
const LONGEST_INTEGER = 1024; // bytes; torch's own magic number has 10

/**
 * Reads one pickle, leaving the cursor after it.
 *
 * @throws UserError on truncation, an unknown opcode or class, and any disorder.
 */
export function unpickle(cursor: ByteCursor): PickleValue {
  const machine = new Machine(cursor);
  try {
    const value = machine.run();
    checkNesting(value);
    return value;
  } catch (error) {
    if (error instanceof MalformedPickle) throw cursor.error(`in its pickle, ${error.message}`);
    throw error;
  }
}

class Machine {
  private stack: PickleValue[] = [];
  private readonly marks: PickleValue[][] = [];
  private readonly memo = new Map<number, PickleValue>();

  constructor(private readonly cursor: ByteCursor) {}

  run(): PickleValue {
    const limit = this.cursor.position + LONGEST_PICKLE;
    for (;;) {
      if (this.cursor.position > limit) throw new MalformedPickle("there is no end");
      const opcode = this.cursor.byte();
      if (opcode === STOP) {
        const value = this.pop();
        if (this.stack.length > 0 || this.marks.length > 0) {
          throw new MalformedPickle("values are left over at its end");
        }
        return value;
      }
      const operation = OPERATIONS[opcode];
      if (!operation) {
        throw new MalformedPickle(`opcode 0x${opcode.toString(16).padStart(2, "0")} is not read`);
      }
      operation(this, this.cursor);
    }
  }

  push(value: PickleValue): void {
    this.stack.push(value);
  }

  pop(): PickleValue {
    const value = this.stack.pop();
    if (value === undefined) throw new MalformedPickle("a value is missing");
    return value;
  }

  top(): PickleValue {
    const value = this.stack.at(-1);
    if (value === undefined) throw new MalformedPickle("a value is missing");
    return value;
  }

  /** Opens a group; what is pushed from now on belongs to it. */
  mark(): void {
    this.marks.push(this.stack);
    this.stack = [];
  }

  /** Closes the last group and returns it. */
  group(): PickleValue[] {
    const outer = this.marks.pop();
    if (!outer) throw new MalformedPickle("a group is closed that was not opened");
    const group = this.stack;
    this.stack = outer;
    return group;
  }

  remember(index: number): void {
    this.memo.set(index, this.top());
  }

  rememberNext(): void {
    this.remember(this.memo.size);
  }

  recall(index: number): void {
    const value = this.memo.get(index);
    if (value === undefined) throw new MalformedPickle(`value ${index} is used before it is made`);
    this.push(value);
  }

  popTuple(size: number): void {
    const items = new Array<PickleValue>(size).fill(null);
    for (let i = size - 1; i >= 0; i--) items[i] = this.pop();
    this.push(Object.freeze(items));
  }

  extendList(items: readonly PickleValue[]): void {
    const list = this.top();
    if (!Array.isArray(list) || Object.isFrozen(list)) {
      throw new MalformedPickle("items are added to what is no list");
    }
    for (const item of items) list.push(item);
  }

  extendDict(items: readonly PickleValue[]): void {
    const dict = this.top();
    if (!(dict instanceof PickleDict) || items.length % 2 !== 0) {
      throw new MalformedPickle("items are set in what is no dict");
    }
    for (let i = 0; i < items.length; i += 2)
      dict.set(asKey(items[i] ?? null), items[i + 1] ?? null);
  }

  extendSet(items: readonly PickleValue[]): void {
    const set = this.top();
    if (!(set instanceof PickleSet)) throw new MalformedPickle("items are added to what is no set");
    for (const item of items) set.add(asKey(item));
  }
}

const STOP = 0x2e;

type Operation = (machine: Machine, cursor: ByteCursor) => void;

const text = new TextDecoder("utf-8", { fatal: true });

function unicode(cursor: ByteCursor, length: number): string {
  const bytes = cursor.bytes(length);
  try {
    return text.decode(bytes);
  } catch {
    throw new MalformedPickle("a text is not UTF-8");
  }
}

/** An 8-byte length, which beyond 2^53 no file can hold. */
const longLength = (cursor: ByteCursor): number => Number(cursor.view(8).getBigUint64(0, true));

/** Two's complement, little endian, any length. */
function integer(bytes: Uint8Array): number | bigint {
  if (bytes.length > LONGEST_INTEGER) throw new MalformedPickle("an integer is too long");
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]);
  value = BigInt.asIntN(8 * bytes.length, value);
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function longInteger(cursor: ByteCursor): number | bigint {
  const length = cursor.view(4).getInt32(0, true);
  if (length < 0 || length > LONGEST_INTEGER) throw new MalformedPickle("an integer is too long");
  return integer(cursor.bytes(length));
}

function stackGlobal(machine: Machine, cursor: ByteCursor): void {
  const [name, module] = [machine.pop(), machine.pop()];
  if (typeof name !== "string" || typeof module !== "string") {
    throw new MalformedPickle("a class has no name");
  }
  machine.push(knownGlobal(module, name, cursor.source.place));
}

function call(machine: Machine): void {
  const values = machine.pop();
  machine.push(callKnown(machine.pop(), values));
}

// By opcode; names and meanings as in CPython's pickletools.
const OPERATIONS: Readonly<Record<number, Operation>> = {
  128: (_, cursor) => {
    const protocol = cursor.byte();
    if (protocol < 2 || protocol > 5) throw new MalformedPickle(`protocol ${protocol} is not read`);
  }, // PROTO
  149: (_, cursor) => void cursor.bytes(8), // FRAME: the length of what follows, a hint
  40: (machine) => machine.mark(), // MARK
  48: (machine) => void machine.pop(), // POP
  49: (machine) => void machine.group(), // POP_MARK
  50: (machine) => machine.push(machine.top()), // DUP
  78: (machine) => machine.push(null), // NONE
  136: (machine) => machine.push(true), // NEWTRUE
  137: (machine) => machine.push(false), // NEWFALSE
  74: (machine, cursor) => machine.push(cursor.view(4).getInt32(0, true)), // BININT
  75: (machine, cursor) => machine.push(cursor.byte()), // BININT1
  77: (machine, cursor) => machine.push(cursor.view(2).getUint16(0, true)), // BININT2
  138: (machine, cursor) => machine.push(integer(cursor.bytes(cursor.byte()))), // LONG1
  139: (machine, cursor) => machine.push(longInteger(cursor)), // LONG4
  71: (machine, cursor) => machine.push(cursor.view(8).getFloat64(0)), // BINFLOAT
  88: (machine, cursor) => machine.push(unicode(cursor, cursor.view(4).getUint32(0, true))), // BINUNICODE
  140: (machine, cursor) => machine.push(unicode(cursor, cursor.byte())), // SHORT_BINUNICODE
  141: (machine, cursor) => machine.push(unicode(cursor, longLength(cursor))), // BINUNICODE8
  66: (machine, cursor) => machine.push(cursor.bytes(cursor.view(4).getUint32(0, true)).slice()), // BINBYTES
  67: (machine, cursor) => machine.push(cursor.bytes(cursor.byte()).slice()), // SHORT_BINBYTES
  142: (machine, cursor) => machine.push(cursor.bytes(longLength(cursor)).slice()), // BINBYTES8
  93: (machine) => machine.push([]), // EMPTY_LIST
  108: (machine) => machine.push(machine.group()), // LIST
  97: (machine) => machine.extendList([machine.pop()]), // APPEND
  101: (machine) => machine.extendList(machine.group()), // APPENDS
  41: (machine) => machine.popTuple(0), // EMPTY_TUPLE
  133: (machine) => machine.popTuple(1), // TUPLE1
  134: (machine) => machine.popTuple(2), // TUPLE2
  135: (machine) => machine.popTuple(3), // TUPLE3
  116: (machine) => machine.push(Object.freeze(machine.group())), // TUPLE
  125: (machine) => machine.push(new PickleDict()), // EMPTY_DICT
  100: (machine) => {
    const items = machine.group();
    machine.push(new PickleDict());
    machine.extendDict(items);
  }, // DICT
  115: (machine) => {
    const value = machine.pop();
    machine.extendDict([machine.pop(), value]);
  }, // SETITEM
  117: (machine) => machine.extendDict(machine.group()), // SETITEMS
  143: (machine) => machine.push(new PickleSet()), // EMPTY_SET
  144: (machine) => machine.extendSet(machine.group()), // ADDITEMS
  145: (machine) => machine.push(new PickleSet(machine.group().map(asKey))), // FROZENSET
  113: (machine, cursor) => machine.remember(cursor.byte()), // BINPUT
  114: (machine, cursor) => machine.remember(cursor.view(4).getUint32(0, true)), // LONG_BINPUT
  148: (machine) => machine.rememberNext(), // MEMOIZE
  104: (machine, cursor) => machine.recall(cursor.byte()), // BINGET
  106: (machine, cursor) => machine.recall(cursor.view(4).getUint32(0, true)), // LONG_BINGET
  99: (machine, cursor) => {
    const module = cursor.line(LONGEST_NAME);
    machine.push(knownGlobal(module, cursor.line(LONGEST_NAME), cursor.source.place));
  }, // GLOBAL
  147: stackGlobal, // STACK_GLOBAL
  82: call, // REDUCE
  129: call, // NEWOBJ: for the known classes the same as calling them
  98: (machine) => {
    const state = machine.pop();
    setState(machine.top(), state);
  }, // BUILD
  81: (machine) => machine.push(storageOf(machine.pop())), // BINPERSID
};
