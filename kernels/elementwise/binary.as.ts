// Ops of two operands, broadcast.
//
// Memory: reads a and b, overwrites y; y may be a or b where their strides are y's.
// Work: elements (flat) or rows of the innermost merged axis; one span of SIMD per row.
// Cost: 12 bytes moved per element, 8 where an operand is broadcast along the row.
import { loadTail, storeTail } from "../simd_math.as";

// Numbers of the ops, as in binary.ts.
const ADD: i32 = 0;
const SUB: i32 = 1;
const MUL: i32 = 2;
const DIV: i32 = 3;
const MAXIMUM: i32 = 4;
const MINIMUM: i32 = 5;
const EQUAL: i32 = 6;
const LESS: i32 = 7;
/** Added to the number when the operands are i32. */
const INTEGER: i32 = 8;

@inline
function combine(op: i32, a: v128, b: v128): v128 {
  if (op == ADD) return f32x4.add(a, b);
  if (op == SUB) return f32x4.sub(a, b);
  if (op == MUL) return f32x4.mul(a, b);
  if (op == DIV) return f32x4.div(a, b);
  if (op == MAXIMUM) return f32x4.max(a, b);
  if (op == MINIMUM) return f32x4.min(a, b);
  // Comparisons give lanes of ones: their sign bit is the i32 answer.
  if (op == EQUAL) return i32x4.shr_u(f32x4.eq(a, b), 31);
  if (op == LESS) return i32x4.shr_u(f32x4.lt(a, b), 31);
  if (op == INTEGER + ADD) return i32x4.add(a, b);
  if (op == INTEGER + SUB) return i32x4.sub(a, b);
  if (op == INTEGER + MUL) return i32x4.mul(a, b);
  if (op == INTEGER + MAXIMUM) return i32x4.max_s(a, b);
  if (op == INTEGER + MINIMUM) return i32x4.min_s(a, b);
  if (op == INTEGER + EQUAL) return i32x4.shr_u(i32x4.eq(a, b), 31);
  return i32x4.shr_u(i32x4.lt_s(a, b), 31);
}

/** y[0..n) = op(a, b); an operand of step 0 is one number for the whole span. */
@inline
function combineSpan(op: i32, a: usize, b: usize, y: usize, aStep: i32, bStep: i32, n: i32): void {
  const bytes = <usize>(n & ~3) << 2;
  const tail = n & 3;
  if (aStep != 0 && bStep != 0) {
    for (let at: usize = 0; at < bytes; at += 16) {
      v128.store(y + at, combine(op, v128.load(a + at), v128.load(b + at)));
    }
    if (tail) {
      const result = combine(op, loadTail(a + bytes, tail, 1), loadTail(b + bytes, tail, 1));
      storeTail(y + bytes, result, tail);
    }
  } else if (aStep != 0) {
    const right = v128.load32_splat(b);
    for (let at: usize = 0; at < bytes; at += 16) {
      v128.store(y + at, combine(op, v128.load(a + at), right));
    }
    if (tail) storeTail(y + bytes, combine(op, loadTail(a + bytes, tail, 1), right), tail);
  } else {
    const left = v128.load32_splat(a);
    for (let at: usize = 0; at < bytes; at += 16) {
      v128.store(y + at, combine(op, left, v128.load(b + at)));
    }
    if (tail) storeTail(y + bytes, combine(op, left, loadTail(b + bytes, tail, 1)), tail);
  }
}

// One function per op: the compiler drops the other branches of combine() only where the op is a
// constant of the whole function.

function addF32(a: usize, b: usize, y: usize, aStep: i32, bStep: i32, n: i32): void {
  combineSpan(ADD, a, b, y, aStep, bStep, n);
}

function subF32(a: usize, b: usize, y: usize, aStep: i32, bStep: i32, n: i32): void {
  combineSpan(SUB, a, b, y, aStep, bStep, n);
}

function mulF32(a: usize, b: usize, y: usize, aStep: i32, bStep: i32, n: i32): void {
  combineSpan(MUL, a, b, y, aStep, bStep, n);
}

function divF32(a: usize, b: usize, y: usize, aStep: i32, bStep: i32, n: i32): void {
  combineSpan(DIV, a, b, y, aStep, bStep, n);
}

function maximumF32(a: usize, b: usize, y: usize, aStep: i32, bStep: i32, n: i32): void {
  combineSpan(MAXIMUM, a, b, y, aStep, bStep, n);
}

function minimumF32(a: usize, b: usize, y: usize, aStep: i32, bStep: i32, n: i32): void {
  combineSpan(MINIMUM, a, b, y, aStep, bStep, n);
}

function equalF32(a: usize, b: usize, y: usize, aStep: i32, bStep: i32, n: i32): void {
  combineSpan(EQUAL, a, b, y, aStep, bStep, n);
}

function lessF32(a: usize, b: usize, y: usize, aStep: i32, bStep: i32, n: i32): void {
  combineSpan(LESS, a, b, y, aStep, bStep, n);
}

function addI32(a: usize, b: usize, y: usize, aStep: i32, bStep: i32, n: i32): void {
  combineSpan(INTEGER + ADD, a, b, y, aStep, bStep, n);
}

function subI32(a: usize, b: usize, y: usize, aStep: i32, bStep: i32, n: i32): void {
  combineSpan(INTEGER + SUB, a, b, y, aStep, bStep, n);
}

function mulI32(a: usize, b: usize, y: usize, aStep: i32, bStep: i32, n: i32): void {
  combineSpan(INTEGER + MUL, a, b, y, aStep, bStep, n);
}

function maximumI32(a: usize, b: usize, y: usize, aStep: i32, bStep: i32, n: i32): void {
  combineSpan(INTEGER + MAXIMUM, a, b, y, aStep, bStep, n);
}

function minimumI32(a: usize, b: usize, y: usize, aStep: i32, bStep: i32, n: i32): void {
  combineSpan(INTEGER + MINIMUM, a, b, y, aStep, bStep, n);
}

function equalI32(a: usize, b: usize, y: usize, aStep: i32, bStep: i32, n: i32): void {
  combineSpan(INTEGER + EQUAL, a, b, y, aStep, bStep, n);
}

function lessI32(a: usize, b: usize, y: usize, aStep: i32, bStep: i32, n: i32): void {
  combineSpan(INTEGER + LESS, a, b, y, aStep, bStep, n);
}

function span(op: i32, a: usize, b: usize, y: usize, aStep: i32, bStep: i32, n: i32): void {
  switch (op) {
    case ADD: return addF32(a, b, y, aStep, bStep, n);
    case SUB: return subF32(a, b, y, aStep, bStep, n);
    case MUL: return mulF32(a, b, y, aStep, bStep, n);
    case DIV: return divF32(a, b, y, aStep, bStep, n);
    case MAXIMUM: return maximumF32(a, b, y, aStep, bStep, n);
    case MINIMUM: return minimumF32(a, b, y, aStep, bStep, n);
    case EQUAL: return equalF32(a, b, y, aStep, bStep, n);
    case LESS: return lessF32(a, b, y, aStep, bStep, n);
    case INTEGER + ADD: return addI32(a, b, y, aStep, bStep, n);
    case INTEGER + SUB: return subI32(a, b, y, aStep, bStep, n);
    case INTEGER + MUL: return mulI32(a, b, y, aStep, bStep, n);
    case INTEGER + MAXIMUM: return maximumI32(a, b, y, aStep, bStep, n);
    case INTEGER + MINIMUM: return minimumI32(a, b, y, aStep, bStep, n);
    case INTEGER + EQUAL: return equalI32(a, b, y, aStep, bStep, n);
    case INTEGER + LESS: return lessI32(a, b, y, aStep, bStep, n);
  }
}

/** Operands that merge to one axis. Steps: 1, or 0 for a single number. */
export function elementwise_binary_flat(
  op: i32, a: usize, b: usize, y: usize, aStep: i32, bStep: i32, start: i32, end: i32,
): void {
  span(
    op,
    a + (<usize>(start * aStep) << 2),
    b + (<usize>(start * bStep) << 2),
    y + (<usize>start << 2),
    aStep,
    bStep,
    end - start,
  );
}

/**
 * Up to five merged axes (d0, d1, d2, d3, inner): rows are d0 d1 d2 d3 in order. Strides count
 * elements; 0 where the operand is broadcast.
 */
export function elementwise_binary_rows(
  op: i32, a: usize, b: usize, y: usize,
  d1: i32, d2: i32, d3: i32, inner: i32,
  a0: i32, a1: i32, a2: i32, a3: i32, aStep: i32,
  b0: i32, b1: i32, b2: i32, b3: i32, bStep: i32,
  start: i32, end: i32,
): void {
  for (let row = start; row < end; row++) {
    const i3 = row % d3;
    let rest = row / d3;
    const i2 = rest % d2;
    rest /= d2;
    const i1 = rest % d1;
    const i0 = rest / d1;
    const fromA = a + (<usize>(i0 * a0 + i1 * a1 + i2 * a2 + i3 * a3) << 2);
    const fromB = b + (<usize>(i0 * b0 + i1 * b1 + i2 * b2 + i3 * b3) << 2);
    span(op, fromA, fromB, y + (<usize>row * inner << 2), aStep, bStep, inner);
  }
}
