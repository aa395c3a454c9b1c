// Barriers may be left out between commands that share no memory which one of them overwrites.
import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { exp } from "../../kernels/elementwise/index.ts";
import { linear, matmul } from "../../kernels/matmul/index.ts";
import { concat } from "../../kernels/movement/index.ts";
import { sum } from "../../kernels/reduce/index.ts";
import { openCpuDevice } from "../../src/device/cpu/cpu_device.ts";
import { Hazards } from "../../src/device/cpu/hazards.ts";
import { compile } from "../../src/engine/compile.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

type Ranges = readonly (readonly [address: number, bytes: number])[];

interface Command {
  readonly reads: Ranges;
  readonly writes: Ranges;
  readonly goesOn: boolean;
}

const ranges = fc.array(fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 6 })), {
  maxLength: 3,
});
const commandsOf = fc.array(fc.record({ reads: ranges, writes: ranges, goesOn: fc.boolean() }), {
  maxLength: 14,
});

const follow = (commands: readonly Command[]): boolean[] => {
  const hazards = new Hazards();
  return commands.map(({ reads, writes, goesOn }) => {
    for (const [address, bytes] of reads) hazards.reading(address, bytes);
    for (const [address, bytes] of writes) hazards.writing(address, bytes);
    return hazards.follows(goesOn);
  });
};

/** Bytes as a set: what the class knows as ranges. */
const bytesOf = (list: Ranges): Set<number> =>
  new Set(list.flatMap(([address, bytes]) => Array.from({ length: bytes }, (_, i) => address + i)));

const meet = (some: Ranges, others: Ranges): boolean => {
  const bytes = bytesOf(others);
  return [...bytesOf(some)].some((byte) => bytes.has(byte));
};

const conflict = (a: Command, b: Command): boolean =>
  meet(a.writes, b.reads) || meet(a.reads, b.writes) || meet(a.writes, b.writes);

/** Whether command j goes on with i: all from behind i to j go on. */
const inOneChain = (commands: readonly Command[], i: number, j: number): boolean =>
  commands.slice(i + 1, j + 1).every(({ goesOn }) => goesOn);

test("commands without a barrier between them are disjoint, or one goes on with the other", () => {
  fc.assert(
    fc.property(commandsOf, (commands) => {
      const follows = follow(commands);
      for (const [i, first] of commands.entries()) {
        for (let j = i + 1; j < commands.length && follows[j]; j++) {
          const harmless = inOneChain(commands, i, j) || !conflict(first, commands[j]);
          expect(harmless).toBe(true);
        }
      }
    }),
    { seed: 7, numRuns: 500 },
  );
});

test("a barrier stands only before a command that meets one since the last barrier", () => {
  fc.assert(
    fc.property(commandsOf, (commands) => {
      const follows = follow(commands);
      for (const [j, later] of commands.entries()) {
        if (follows[j]) continue;
        const from = Math.max(follows.slice(0, j).lastIndexOf(false), 0);
        const met = commands
          .slice(from, j)
          .some((each, i) => conflict(each, later) && !inOneChain(commands, from + i, j));
        expect(met).toBe(true);
      }
    }),
    { seed: 7, numRuns: 500 },
  );
});

const wave = (step: number, ...shape: number[]) => ({
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i * step)),
});

type Inputs = Readonly<Record<string, ReturnType<typeof wave>>>;

/** Different results of many runs on two threads, with these inputs and those in turn. */
async function resultsOf(
  build: (inputs: Record<string, Tensor>) => Record<string, Tensor>,
  turns: readonly [Inputs, Inputs],
): Promise<number> {
  const device = await openCpuDevice({ threads: 2 });
  const run = compile(device, "repeated", build);
  const seen = new Set<string>();
  for (let i = 0; i < 120; i++) {
    const results = await Promise.all(Object.values(run(turns[i % 2])).map((each) => each.read()));
    const hash = createHash("sha256");
    for (const values of results) hash.update(new Uint8Array(values.slice().buffer));
    seen.add(hash.digest("hex"));
  }
  await device.close();
  return seen.size;
}

test("pieces are put together when what they are made of is done", async () => {
  const inputs = (step: number) => ({
    ...{ x: wave(0.01, 8, 64), a: wave(0.1, 4000, 64), b: wave(step, 64, 64) },
  });
  const results = await resultsOf(
    ({ x, a, b }) => {
      const p = exp(x);
      return { q: exp(p), z: concat([p, matmul(a, b)], 0) };
    },
    [inputs(0.3), inputs(0.7)],
  );
  expect(results).toBe(2);
});

test("an activation's input is not kept where another command still reads", async () => {
  const inputs = (step: number) => ({
    ...{ a: wave(step, 6000, 4), b: wave(0.3, 4, 64), c: wave(0.7, 64, 64) },
    ...{ d: wave(0.9, 6000, 4), w: wave(0.2, 64, 4), bias: wave(0.4, 64) },
  });
  const results = await resultsOf(
    ({ a, b, c, d, w, bias }) => {
      const x = matmul(matmul(a, b), c);
      const r = sum(x, { axis: 0 });
      return { r, z: sum(linear(d, w, bias, "gelu"), { axis: 0 }) };
    },
    [inputs(0.1), inputs(0.2)],
  );
  expect(results).toBe(2);
});
