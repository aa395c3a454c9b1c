// Sums of gradients as they are computed.

@inline
function addFour(dst: usize, src: usize): void {
  v128.store(dst, f32x4.add(v128.load(dst), v128.load(src)));
}

/**
 * dst += src.
 *
 * Memory: reads src (n), reads and overwrites dst (n). Cost: 12 bytes moved per element.
 */
export function add_f32(dst: usize, src: usize, n: u32): void {
  for (; n >= 16; n -= 16) {
    addFour(dst, src);
    addFour(dst + 16, src + 16);
    addFour(dst + 32, src + 32);
    addFour(dst + 48, src + 48);
    dst += 64;
    src += 64;
  }
  for (; n > 0; n--) {
    store<f32>(dst, load<f32>(dst) + load<f32>(src));
    dst += 4;
    src += 4;
  }
}
