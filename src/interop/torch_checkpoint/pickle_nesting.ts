import { MalformedPickle } from "./known_globals.ts";
import { PickleDict, PickleRecord, type PickleValue } from "./pickle_values.ts";

const DEEPEST = 64;
const MOST_VALUES = 50_000_000;

/**
 * Refuses what would trap a reader that walks the value: a container inside itself, nesting
 * deeper than 64, or a few shared containers that unfold into billions of values.
 *
 * The walk keeps its own stack and visits each container once, so it is safe where a plain
 * recursion would not be.
 *
 * @throws MalformedPickle
 */
export function checkNesting(root: PickleValue): void {
  const done = new Map<PickleValue, { depth: number; values: number }>();
  const open = new Set<PickleValue>();
  const path: PickleValue[] = [root];
  for (let value = path.at(-1); value !== undefined; value = path.at(-1)) {
    const children = childrenOf(value);
    if (done.has(value) || !children) {
      path.pop();
    } else if (!open.has(value)) {
      open.add(value);
      for (const child of children) {
        if (!childrenOf(child) || done.has(child)) continue;
        if (open.has(child)) throw new MalformedPickle("a container holds itself");
        path.push(child);
      }
    } else {
      let [depth, values] = [1, 1];
      for (const child of children) {
        const inner = done.get(child) ?? { depth: 0, values: 1 };
        depth = Math.max(depth, inner.depth + 1);
        values += inner.values;
      }
      if (depth > DEEPEST) throw new MalformedPickle(`values are nested deeper than ${DEEPEST}`);
      if (values > MOST_VALUES) throw new MalformedPickle("shared values unfold without end");
      done.set(value, { depth, values });
      open.delete(value);
      path.pop();
    }
  }
}

function childrenOf(value: PickleValue): Iterable<PickleValue> | undefined {
  if (Array.isArray(value)) return value;
  if (value instanceof PickleDict) return value.values();
  if (value instanceof PickleRecord) return value.fields.values();
  return undefined;
}
