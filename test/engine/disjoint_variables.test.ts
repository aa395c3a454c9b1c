import { expect, test } from "bun:test";
import fc from "fast-check";
import { DisjointVariables } from "../../src/engine/disjoint_variables.ts";
import { f32 } from "../../src/tensor/shape.ts";
import { Variable } from "../../src/tensor/variable.ts";

const SIZE = 40;
const extents = fc.array(
  fc.record({
    root: fc.integer({ min: 0, max: 1 }),
    offset: fc.integer({ min: 0, max: SIZE - 6 }),
    size: fc.integer({ min: 1, max: 6 }),
  }),
  { maxLength: 30 },
);

test("DisjointVariables.overlapping() finds a variable exactly where one shares an element", () => {
  const roots = ["a", "b"].map((name) => new Variable(name, f32(SIZE)));
  fc.assert(
    fc.property(extents, (all) => {
      const disjoint = new DisjointVariables();
      const added: Variable[] = [];
      for (const { root, offset, size } of all) {
        const variable = roots[root].view("part", [size], offset);
        const expected = added
          .filter((other) => other.overlaps(variable))
          .sort((a, b) => a.offset - b.offset);
        expect(disjoint.overlapping(variable)).toBe(expected[0]);
        if (expected.length > 0) continue;
        disjoint.add(variable);
        added.push(variable);
      }
    }),
  );
});
