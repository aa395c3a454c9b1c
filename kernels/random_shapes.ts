// Shapes for the op suite that nobody chose: the fixed cases name what kernels are known to treat apart,
// these find what nobody thought of.
import type { Shape } from "../src/tensor/shape.ts";
import type { ExampleRandom } from "./op.ts";

/** Random cases of each op. */
const CASES = 4;

/** That many cases, each drawn anew. */
export const randomCases = <Case>(draw: (number: number) => Case): Case[] =>
  Array.from({ length: CASES }, (_, number) => draw(number));

/** 1, odd, a whole number of vectors, or a little more than `chunk`: what a kernel does at a time. */
export function randomExtent(random: ExampleRandom, chunk: number): number {
  switch (random.int(0, 3)) {
    case 0:
      return 1;
    case 1:
      return 2 * random.int(1, 12) + 1;
    case 2:
      return 4 * random.int(1, 8);
    default:
      return chunk + random.int(1, 31);
  }
}

/** A shape with one axis of randomExtent(), the others short. */
export function randomShape(random: ExampleRandom, rank: number, chunk: number): number[] {
  const wide = random.int(0, rank - 1);
  return Array.from({ length: rank }, (_, axis) =>
    axis === wide ? randomExtent(random, chunk) : random.int(1, 5),
  );
}

/** What broadcasts to `shape`: some axes 1, some of the first left out. */
export const randomOperand = (random: ExampleRandom, shape: Shape): number[] =>
  shape
    .map((extent) => (random.int(0, 2) === 0 ? 1 : extent))
    .slice(random.int(0, 2) === 0 ? random.int(0, shape.length) : 0);
