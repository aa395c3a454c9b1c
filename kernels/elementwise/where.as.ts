// Choice between two operands, element by element.
//
// Memory: reads condition (i32, 0 or not), a, b; overwrites y, which may be any of them.
// Work: elements in any split. A step of 0 takes one number for all elements.

export function elementwise_where(
  condition: usize,
  a: usize,
  b: usize,
  y: usize,
  conditionStep: i32,
  aStep: i32,
  bStep: i32,
  start: i32,
  end: i32,
): void {
  const whole = start + ((end - start) & ~3);
  const oneCondition = v128.load32_splat(condition);
  const oneA = v128.load32_splat(a);
  const oneB = v128.load32_splat(b);
  const zero = i32x4.splat(0);
  for (let i = start; i < whole; i += 4) {
    const at = (<usize>i) << 2;
    const c = conditionStep ? v128.load(condition + at) : oneCondition;
    const left = aStep ? v128.load(a + at) : oneA;
    const right = bStep ? v128.load(b + at) : oneB;
    v128.store(y + at, v128.bitselect(left, right, i32x4.ne(c, zero)));
  }
  for (let i = whole; i < end; i++) {
    const c = load<i32>(condition + ((<usize>(i * conditionStep)) << 2));
    const from = c ? a + ((<usize>(i * aStep)) << 2) : b + ((<usize>(i * bStep)) << 2);
    store<i32>(y + ((<usize>i) << 2), load<i32>(from));
  }
}
