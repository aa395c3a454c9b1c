/** Columns and rows of a matrix that are transposed at a time, so that both sides stay in the cache. */
const TILE = 64;

/** (rows, columns), rows `width` elements apart, to (columns, rows). */
export function transpose(
  from: Uint8Array | Float32Array,
  rows: number,
  columns: number,
  width: number,
  to: Uint8Array | Float32Array,
): void {
  for (let row = 0; row < rows; row += TILE) {
    const lastRow = Math.min(rows, row + TILE);
    for (let column = 0; column < columns; column += TILE) {
      const lastColumn = Math.min(columns, column + TILE);
      for (let c = column; c < lastColumn; c++) {
        for (let r = row; r < lastRow; r++) to[c * rows + r] = from[r * width + c];
      }
    }
  }
}
