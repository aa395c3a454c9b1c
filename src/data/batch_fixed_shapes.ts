import { UserError } from "../config/user_error.ts";

/** A batch's size: rows, and tokens in each. */
export type BatchShape = readonly [rows: number, length: number];

/**
 * Cuts a list of sentences, in its order, into batches that fit one of the given shapes each, so that
 * a device meets no other. A batch grows while some shape holds it.
 *
 * @returns views into `indices`; pad each to the first shape that holds it.
 * @throws UserError for a sentence longer than every shape.
 *
 * Source: batch_fixed_shapes_fast in fairseq 0.12's data_utils_fast.pyx. There a sentence that fits
 * nothing goes into a batch all the same, an empty batch may come first, and the length of a batch's
 * first sentence is forgotten, so that unsorted ones may fit no shape.
 */
export function batchFixedShapes(
  indices: Int32Array,
  numTokens: (index: number) => number,
  shapes: readonly BatchShape[],
): Int32Array[] {
  const sorted = sortShapes(shapes);
  const batches: Int32Array[] = [];
  let start = 0;
  let longest = 0;
  // Shapes before this one are too small for the batch already.
  let first = 0;
  const find = (rows: number, length: number): number =>
    sorted.findIndex((shape, i) => i >= first && rows <= shape[0] && length <= shape[1]);
  for (const [pos, index] of indices.entries()) {
    const length = numTokens(index);
    longest = Math.max(longest, length);
    let shape = find(pos + 1 - start, longest);
    if (shape < 0) {
      if (pos > start) batches.push(indices.subarray(start, pos));
      start = pos;
      longest = length;
      first = 0;
      shape = find(1, length);
      if (shape < 0) throw misfit(index, length, sorted);
    }
    first = shape;
  }
  if (indices.length > start) batches.push(indices.subarray(start));
  return batches;
}

/** fairseq's order of shapes: it sorts by places of rising row counts as if they were ranks. */
export function sortShapes(shapes: readonly BatchShape[]): BatchShape[] {
  const places = shapes
    .map((_, i) => i)
    .sort((a, b) => (shapes[a]?.[0] ?? 0) - (shapes[b]?.[0] ?? 0));
  return [...shapes.keys()]
    .sort((a, b) => (places[a] ?? 0) - (places[b] ?? 0))
    .flatMap((i) => shapes.slice(i, i + 1));
}

function misfit(index: number, length: number, shapes: readonly BatchShape[]): UserError {
  const list = shapes.map(([rows, tokens]) => `${rows}x${tokens}`).join(", ");
  return new UserError({
    place: `sentence ${index}`,
    problem: `it has ${length} tokens, which none of the batch shapes ${list} holds`,
    remedy: "add a longer shape, or leave such sentences out with --on-too-long skip",
  });
}
