// Position numbers of tokens. The rows themselves are gathered and scattered by kernels/movement.
//
// Memory: reads tokens, overwrites positions; may be in place.
// Work: rows; the count along a row is sequential and short.

/** positions[b, t] = padding + tokens up to t that are no padding; padding keeps `padding`. */
export function embedding_positions(
  tokens: usize,
  positions: usize,
  length: i32,
  padding: i32,
  start: i32,
  end: i32,
): void {
  for (let row = start; row < end; row++) {
    const first = (<usize>row * length) << 2;
    let count = padding;
    for (let at = first; at < first + ((<usize>length) << 2); at += 4) {
      const real = load<i32>(tokens + at) != padding;
      count += <i32>real;
      store<i32>(positions + at, real ? count : padding);
    }
  }
}
