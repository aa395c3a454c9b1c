// Which positions of a batch's target are worth computing: padding at the end of short sentences is
// often a sixth of it.
import type { HostTensor } from "../engine/compile.ts";
import type { HostSample, PackingInputs } from "./host_sample.ts";

/** Padding that is less than this share of the target stays: moving rows costs about as much. */
const LEAST_PADDING = 1 / 16;

/**
 * Numbers of rows are rounded up to a 32nd of the batch, so that fewer plans fit more batches. The same on
 * every device: dropout draws by row.
 */
const STEPS = 32;

/** The most rows that are packed, of so many sentences of such a width. */
export const mostPackedRows = (sentences: number, targetWidth: number): number =>
  Math.floor(sentences * targetWidth * (1 - LEAST_PADDING));

/**
 * Rows, places and starts of the target's positions that are not padding, and of as many that are as
 * rounding up wants.
 *
 * @returns undefined where packing would not pay.
 */
export function packTarget({
  prevOutputTokens,
  target,
  padding,
}: HostSample): Record<PackingInputs, HostTensor> | undefined {
  const { length } = target.data;
  const isUsed = (place: number): boolean =>
    target.data[place] !== padding || prevOutputTokens.data[place] !== padding;
  let used = 0;
  for (let place = 0; place < length; place++) if (isUsed(place)) used++;
  const step = Math.max(1, 2 ** Math.floor(Math.log2(length / STEPS)));
  const count = Math.ceil(used / step) * step;
  const [sentences, width] = target.shape;
  if (count > mostPackedRows(sentences, width)) return undefined;
  const rows = new Int32Array(count);
  const places = new Int32Array(length).fill(-1);
  const starts = new Int32Array(sentences + 1).fill(count);
  let row = 0;
  let spare = count - used;
  for (let place = 0; place < length; place++) {
    if (place % width === 0) starts[place / width] = row;
    if (!isUsed(place) && spare-- <= 0) continue;
    rows[row] = place;
    places[place] = row++;
  }
  return {
    targetRows: { data: rows, shape: [count] },
    targetPlaces: { data: places, shape: target.shape },
    targetStarts: { data: starts, shape: [sentences + 1] },
  };
}
