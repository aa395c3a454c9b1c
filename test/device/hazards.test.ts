// Barriers may be left out between commands that share no memory which one of them overwrites.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { Hazards } from "../../src/device/cpu/hazards.ts";

interface Command {
  readonly reads: readonly (readonly [address: number, bytes: number])[];
  readonly writes: readonly (readonly [address: number, bytes: number])[];
}

const place = fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 6 }));
const places = fc.array(place, { maxLength: 3 });
const command = fc.record({ reads: places, writes: places });

const follow = (commands: readonly Command[]): boolean[] => {
  const hazards = new Hazards();
  return commands.map(({ reads, writes }) => {
    for (const [address, bytes] of reads) hazards.reading(address, bytes);
    for (const [address, bytes] of writes) hazards.writing(address, bytes);
    return hazards.follows(false);
  });
};

/** Bytes as a set: what the class knows as ranges. */
const bytesOf = (ranges: Command["reads"]): Set<number> =>
  new Set(
    ranges.flatMap(([address, bytes]) => Array.from({ length: bytes }, (_, i) => address + i)),
  );

const conflict = (a: Command, b: Command): boolean => {
  const meet = (some: Command["reads"], others: Command["reads"]) => {
    const bytes = bytesOf(others);
    return [...bytesOf(some)].some((byte) => bytes.has(byte));
  };
  return meet(a.writes, b.reads) || meet(a.reads, b.writes) || meet(a.writes, b.writes);
};

test("commands between two barriers never meet in memory that one of them overwrites", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 12 }), (commands) => {
      const follows = follow(commands);
      for (const [i, first] of commands.entries()) {
        for (let j = i + 1; j < commands.length && follows[j]; j++) {
          expect(conflict(first, commands[j])).toBe(false);
        }
      }
    }),
    { seed: 7 },
  );
});

test("a barrier stands only before a command that meets one since the last barrier", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 12 }), (commands) => {
      const follows = follow(commands);
      for (const [j, later] of commands.entries()) {
        if (follows[j]) continue;
        const from = follows.slice(0, j).lastIndexOf(false);
        expect(commands.slice(Math.max(from, 0), j).some((each) => conflict(each, later))).toBe(
          true,
        );
      }
    }),
    { seed: 7 },
  );
});

test("a command that goes on with its thread's own results needs no barrier, but still counts", () => {
  const hazards = new Hazards();
  hazards.writing(0, 16);
  expect(hazards.follows(false)).toBe(true);
  hazards.reading(0, 16);
  hazards.writing(16, 16);
  expect(hazards.follows(true)).toBe(true);
  hazards.reading(16, 16);
  expect(hazards.follows(false)).toBe(false);
});
