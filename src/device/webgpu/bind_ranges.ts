// Decides how the operands of one dispatch are bound: which are the same memory, which must be
// copied aside first. Pure arithmetic over ranges; no GPU object is touched.

/** Bytes [offset, offset + size) of a numbered place. */
export interface Range {
  readonly place: number;
  readonly offset: number;
  readonly size: number;
}

export interface BoundRanges {
  /** What to bind, by binding number; undefined where another binding already shows it. */
  readonly bound: readonly (Range | undefined)[];
  /** Bindings that are the same memory: from -> to. */
  readonly same: ReadonlyMap<number, number>;
}

/**
 * Bindings that begin at the same byte become one, as long as the longer of them.
 *
 * @throws when two bindings overlap without beginning together: `needsCopy` finds those before.
 */
export function bindRanges(op: string, ranges: readonly Range[]): BoundRanges {
  const bound: (Range | undefined)[] = [];
  const same = new Map<number, number>();
  for (const [number, range] of ranges.entries()) {
    const twin = bound.findIndex((other) => other && startsTogether(other, range));
    if (twin < 0) {
      bound.push(range);
      continue;
    }
    bound.push(undefined);
    same.set(number, twin);
    const other = bound[twin];
    if (other && other.size < range.size) bound[twin] = range;
  }
  for (const [number, range] of bound.entries()) {
    const rival = bound.findIndex(
      (other, i) => i < number && other && range && overlap(other, range),
    );
    if (rival >= 0) throw new Error(`webgpu: ${op}: bindings ${rival} and ${number} overlap`);
  }
  return { bound, same };
}

/** Which operands must be copied aside: not aligned for binding, or overlapping an earlier one. */
export function needsCopy(ranges: readonly Range[], alignment: number): boolean[] {
  return ranges.map(
    (range, number) =>
      range.offset % alignment !== 0 ||
      ranges.some(
        (other, i) => i < number && !startsTogether(other, range) && overlap(other, range),
      ),
  );
}

const startsTogether = (a: Range, b: Range): boolean =>
  a.place === b.place && a.offset === b.offset;

const overlap = (a: Range, b: Range): boolean =>
  a.place === b.place && a.offset < b.offset + b.size && b.offset < a.offset + a.size;
