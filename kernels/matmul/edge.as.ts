// Tiles that stick out over the edge of C are computed beside it and moved in.

/** Moves `rows` by `columns` elements, `edgeStep` bytes a row, into C, or adds them. */
export function copyEdge(
  c: usize,
  stepC: usize,
  edge: usize,
  edgeStep: usize,
  rows: i32,
  columns: i32,
  accumulate: bool,
): void {
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const at = (<usize>j) << 2;
      const x = load<f32>(edge + at);
      store<f32>(c + at, accumulate ? load<f32>(c + at) + x : x);
    }
    c += stepC;
    edge += edgeStep;
  }
}
