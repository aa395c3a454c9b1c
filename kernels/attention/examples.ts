// Cases for the op suite: odd extents, single rows, empty batches, every mask, dropout.
import type { Shape } from "../../src/tensor/shape.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import type { NdArray } from "../nd_array.ts";
import { NdArray as Arrays } from "../nd_array.ts";
import type { Example, ExampleRandom } from "../op.ts";
import { randomCases, randomExtent } from "../random_shapes.ts";
import type { CachedAttributes } from "./cached.ts";
import { attentionReference } from "./reference.ts";
import type { AttentionAttributes } from "./shapes.ts";
import type { SourceAttributes } from "./source.ts";
import type { WeightsAttributes } from "./weights.ts";

type Input = Example<unknown>["inputs"][number];

const normals = (random: ExampleRandom, ...shape: number[]): Input => ({
  shape,
  dtype: "f32",
  data: Float64Array.from({ length: sizeOf(shape) }, () => Math.fround(random.normal())),
});

const integers = (shape: Shape, data: ArrayLike<number>): Input => ({
  shape,
  dtype: "i32",
  data: Float64Array.from(data),
});

/** Random padding at either end; `whole` makes the first sentence all padding. */
function padding(random: ExampleRandom, B: number, S: number, whole: boolean): Input {
  const data = new Float64Array(B * S);
  for (let b = 0; b < B; b++) {
    const count = whole && b === 0 ? S : random.int(0, Math.floor(S / 2));
    const left = random.int(0, 1) === 1;
    for (let i = 0; i < count; i++) data[b * S + (left ? i : S - 1 - i)] = 1;
  }
  return integers([B, S], data);
}

/** Extents, masks and dropout of an example. */
export interface AttentionCase {
  readonly B: number;
  readonly T: number;
  readonly S: number;
  readonly H: number;
  readonly D: number;
  readonly causal?: boolean;
  readonly padded?: "some" | "whole";
  readonly p?: number;
  readonly scale?: number;
  /** Sentences have up to T queries, which lie without gaps; the keys too, or not. */
  readonly packed?: "queries" | "all";
}

const CASES: Record<string, AttentionCase> = {
  "one of everything": { B: 1, T: 1, S: 1, H: 1, D: 1 },
  "whole tiles": { B: 2, T: 10, S: 16, H: 2, D: 16 },
  "odd extents": { B: 2, T: 7, S: 11, H: 3, D: 5 },
  "a wide head": { B: 1, T: 3, S: 9, H: 1, D: 68, scale: 0.1 },
  causal: { B: 2, T: 13, S: 13, H: 2, D: 8, causal: true },
  padding: { B: 3, T: 6, S: 18, H: 2, D: 8, padded: "some" },
  "a sentence of padding": { B: 2, T: 4, S: 5, H: 1, D: 4, padded: "whole" },
  "causal, padding": { B: 3, T: 21, S: 21, H: 1, D: 12, causal: true, padded: "some" },
  dropout: { B: 2, T: 6, S: 19, H: 2, D: 8, p: 0.3 },
  "causal, padding, dropout": {
    B: 2,
    T: 9,
    S: 9,
    H: 2,
    D: 8,
    causal: true,
    padded: "some",
    p: 0.5,
  },
  "packed queries": { B: 3, T: 7, S: 9, H: 2, D: 8, padded: "some", packed: "queries" },
  "packed, causal, padding, dropout": {
    ...{ B: 4, T: 13, S: 13, H: 2, D: 5 },
    ...{ causal: true, padded: "some", p: 0.4, packed: "all" },
  },
  "packed, causal": { B: 5, T: 18, S: 18, H: 1, D: 8, causal: true, packed: "all" },
  "packed, a wide head": { B: 3, T: 4, S: 4, H: 1, D: 260, causal: true, packed: "all" },
  "a decoding step": { B: 2, T: 1, S: 12, H: 2, D: 16, padded: "some" },
  "no sentence": { B: 0, T: 3, S: 4, H: 2, D: 4 },
  "no query": { B: 1, T: 0, S: 4, H: 2, D: 4 },
  "no key": { B: 1, T: 3, S: 0, H: 2, D: 4 },
};

/** Sequences and heads around and beyond the tiles of both devices, with any of the masks. */
function drawn(random: ExampleRandom): Record<string, AttentionCase> {
  const cases = randomCases((number): [string, AttentionCase] => {
    const causal = random.int(0, 1) === 1;
    const T = randomExtent(random, 32);
    const extents = {
      B: random.int(1, 3),
      T,
      S: causal ? T : randomExtent(random, 32),
      H: random.int(1, 3),
      // A GPU has other kernels for widths that are no quads: some cases meet them.
      D: number % 4 === 0 ? randomExtent(random, 32) : 4 * randomExtent(random, 8),
    };
    const padded = random.int(0, 1) === 1 ? "some" : undefined;
    const p = random.int(0, 1) === 1 ? random.uniform(0.05, 0.6) : undefined;
    const packed = ([undefined, "queries", causal ? "all" : undefined] as const)[number % 3];
    return [`random ${number}`, { ...extents, causal, padded, p, packed }];
  });
  return Object.fromEntries(cases);
}

/** Larger than the scratch of one pass of the cpu gradient, whose sums then run over several. */
const LONG_CASES: Record<string, AttentionCase> = {
  "several passes": { B: 1, T: 300, S: 901, H: 1, D: 4, padded: "some" },
  "several passes, causal, padding": {
    B: 1,
    T: 541,
    S: 541,
    H: 1,
    D: 4,
    causal: true,
    padded: "some",
  },
};

function attributesOf(example: AttentionCase): AttentionAttributes {
  const { T, H, D, causal, padded, p, scale, packed } = example;
  return {
    heads: H,
    scale: scale ?? D ** -0.5,
    causal: causal ?? false,
    padded: padded !== undefined,
    dropout: p === undefined ? undefined : { p, stream: 3 },
    packed: packed && { longest: T, keys: packed === "all" },
  };
}

/** q, k, v and the optional inputs. */
function inputsOf(
  random: ExampleRandom,
  example: AttentionCase,
): [Input, Input, Input, ...Input[]] {
  const { B, T, S, H, D, padded, p, packed } = example;
  const starts = [0];
  for (let b = 0; b < B; b++) starts.push(starts[b] + random.int(0, T));
  const rows = starts[B];
  const key = p === undefined ? [] : [random.int(1, 1e6), 17, 2, 0];
  const numbers = [...key, ...(packed ? starts : [])];
  const query = packed ? [rows] : [B, T];
  const keys = packed === "all" ? [rows] : [B, S];
  const mask = packed === "all" ? [1, rows] : [B, S];
  const [q, k, v] = [query, keys, keys].map((shape) => normals(random, ...shape, H * D));
  return [
    ...([q, k, v] as const),
    ...(padded ? [padding(random, mask[0], mask[1], padded === "whole")] : []).map((input) =>
      packed === "all" ? { ...input, shape: [rows] } : input,
    ),
    ...(numbers.length > 0 ? [integers([numbers.length], numbers)] : []),
  ];
}

export function forwardExamples(
  random: ExampleRandom,
  cases: Record<string, AttentionCase>,
): Example<AttentionAttributes>[] {
  return Object.entries(cases).map(([name, extents]) => ({
    name,
    attributes: attributesOf(extents),
    inputs: inputsOf(random, extents),
    differentiate: [0, 1, 2],
    lossOutputs: [0],
  }));
}

export const attentionExamples = (random: ExampleRandom): Example<AttentionAttributes>[] =>
  forwardExamples(random, { ...CASES, ...drawn(random) });

const asArray = ({ shape, data }: Input): NdArray => Arrays.of(shape, data);
const asInput = ({ shape, data }: NdArray): Input => ({
  shape,
  dtype: "f32",
  data: Float64Array.from(Float32Array.from(data)),
});

export const attentionGradientExamples = (random: ExampleRandom): Example<AttentionAttributes>[] =>
  gradientExamples(random, { ...CASES, ...drawn(random), ...LONG_CASES });

export function gradientExamples(
  random: ExampleRandom,
  cases: Record<string, AttentionCase>,
): Example<AttentionAttributes>[] {
  return forwardExamples(random, cases).map(({ name, attributes, inputs }) => {
    const [q, k, v, ...rest] = inputs;
    const outputs = attentionReference(attributes, inputs.map(asArray)).map(asInput);
    const dout = normals(random, ...q.shape);
    return {
      name,
      attributes,
      inputs: [q, k, v, ...outputs, dout, ...rest],
      absolute: 3e-5,
      relative: 3e-5,
    };
  });
}

export const weightsExamples = (random: ExampleRandom): Example<WeightsAttributes>[] =>
  weightsForward(random, { ...CASES, ...drawn(random) });

function weightsForward(
  random: ExampleRandom,
  cases: Record<string, AttentionCase>,
): Example<WeightsAttributes>[] {
  return Object.entries(cases)
    .filter(([, { p, packed }]) => p === undefined && packed === undefined)
    .map(([name, extents]) => {
      const [q, k, , ...rest] = inputsOf(random, extents);
      const attributes = { ...attributesOf(extents), selected: random.int(1, extents.H) };
      return { name, attributes, inputs: [q, k, ...rest] };
    });
}

export function weightsGradientExamples(random: ExampleRandom): Example<WeightsAttributes>[] {
  const cases = { ...CASES, ...drawn(random), ...LONG_CASES };
  return weightsForward(random, cases).map(({ name, attributes, inputs: [q, k, ...rest] }) => ({
    name,
    attributes,
    inputs: [q, k, normals(random, q.shape[0], q.shape[1], k.shape[1]), ...rest],
  }));
}

export function cachedExamples(random: ExampleRandom): Example<CachedAttributes>[] {
  const cases = [
    { name: "the first token", R: 2, R0: 2, L: 5, H: 2, D: 8, length: 1 },
    { name: "odd extents", R: 3, R0: 5, L: 11, H: 3, D: 7, length: 9 },
    { name: "a full cache", R: 4, R0: 4, L: 8, H: 2, D: 32, length: 8 },
    { name: "one row", R: 1, R0: 3, L: 30, H: 1, D: 21, length: 22 },
    { name: "nothing yet", R: 2, R0: 2, L: 4, H: 1, D: 4, length: 0 },
    ...randomCases(() => {
      const [R0, L] = [random.int(1, 6), randomExtent(random, 32)];
      const heads = { H: random.int(1, 3), D: randomExtent(random, 32) };
      return { name: "random", R: random.int(1, R0), R0, L, ...heads, length: random.int(1, L) };
    }),
  ];
  return cases.map(({ name, R, R0, L, H, D, length }) => ({
    name,
    attributes: { heads: H, scale: D ** -0.5 },
    inputs: [
      normals(random, R, H * D),
      normals(random, R0, L, H * D),
      normals(random, R0, L, H * D),
      integers(
        [R, L],
        Array.from({ length: R * L }, () => random.int(0, R0 - 1)),
      ),
      integers([], [length]),
    ],
  }));
}

/** Slots in any order, some of them twice; `room` positions more than the slots use. */
export function sourceExamples(random: ExampleRandom): Example<SourceAttributes>[] {
  const cases = [
    { name: "one of everything", B: 1, K: 1, slots: 1, S: 8, H: 1, D: 1, room: 0 },
    { name: "five rows each", B: 3, K: 5, slots: 4, S: 24, H: 2, D: 16, room: 11 },
    { name: "odd extents", B: 2, K: 7, slots: 2, S: 16, H: 3, D: 7, room: 0 },
    { name: "nothing but padding", B: 2, K: 3, slots: 2, S: 8, H: 1, D: 8, room: 5, whole: true },
    { name: "no position", B: 2, K: 2, slots: 2, S: 0, H: 2, D: 4, room: 3 },
    { name: "no sentence", B: 0, K: 5, slots: 1, S: 8, H: 2, D: 4, room: 0 },
    ...randomCases(() => ({
      ...{ name: "random", B: random.int(1, 5), K: random.int(1, 12), slots: random.int(1, 6) },
      ...{ S: 8 * random.int(1, 9), H: random.int(1, 3), D: randomExtent(random, 32) },
      ...{ room: random.int(0, 20), whole: random.int(0, 3) === 0 },
    })),
  ];
  return cases.map(({ name, B, K, slots, S, H, D, room, whole = false }) => {
    const positions = slots * S + room;
    const mask = padding(random, slots, S, whole).data;
    return {
      name,
      attributes: { heads: H, scale: D ** -0.5, widest: S + 8 * random.int(0, 2) },
      inputs: [
        normals(random, B * K, H * D),
        normals(random, positions * H * D),
        normals(random, positions * H * D),
        integers([positions], [...mask, ...new Float64Array(room)]),
        integers(
          [B],
          Array.from({ length: B }, () => random.int(0, slots - 1)),
        ),
        integers([], [S]),
      ],
    };
  });
}
