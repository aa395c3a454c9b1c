/** Which target position attends to which source position, over a whole batch. */
export interface BatchAlignments {
  /**
   * Pairs (source, target), flat. The source is a column of its own row; the target is an index
   * into the flattened (B, T) target.
   */
  pairs: Int32Array;
  /** Per pair, 1 / number of pairs with that target. */
  weights: Float32Array;
}

export interface AlignedRow {
  /** Pairs (source, target) of positions in the sentence, flat; may be empty. */
  alignment: Int32Array;
  srcLength: number;
  tgtLength: number;
}

export interface AlignmentLayout {
  srcWidth: number;
  tgtWidth: number;
  leftPadSource: boolean;
  leftPadTarget: boolean;
}

/**
 * Moves alignments to their places in a padded batch. Those of a row that point at its eos or
 * beyond are left out (`dropped` counts such rows).
 *
 * @param rows in the batch's order.
 */
export function collateAlignments(
  rows: readonly AlignedRow[],
  layout: AlignmentLayout,
): { alignments?: BatchAlignments; dropped: number } {
  const pairs: number[] = [];
  const perTarget = new Map<number, number>();
  let dropped = 0;
  for (const [row, { alignment, srcLength, tgtLength }] of rows.entries()) {
    if (!fits(alignment, srcLength, tgtLength)) {
      dropped++;
      continue;
    }
    const srcOffset = layout.leftPadSource ? layout.srcWidth - srcLength : 0;
    const tgtOffset =
      row * layout.tgtWidth + (layout.leftPadTarget ? layout.tgtWidth - tgtLength : 0);
    for (let i = 0; i + 1 < alignment.length; i += 2) {
      const target = (alignment[i + 1] ?? 0) + tgtOffset;
      pairs.push((alignment[i] ?? 0) + srcOffset, target);
      perTarget.set(target, (perTarget.get(target) ?? 0) + 1);
    }
  }
  if (pairs.length === 0) return { dropped };
  const weights = Float32Array.from(
    { length: pairs.length / 2 },
    (_, i) => 1 / (perTarget.get(pairs[2 * i + 1] ?? 0) ?? 1),
  );
  return { alignments: { pairs: Int32Array.from(pairs), weights }, dropped };
}

function fits(alignment: Int32Array, srcLength: number, tgtLength: number): boolean {
  return alignment.every((position, i) => position < (i % 2 === 0 ? srcLength : tgtLength) - 1);
}
