// Philox 4x32-10 in WGSL: the same integers as kernels/philox.as.ts.

/**
 * `philoxWord(element, seed, stream, update, microBatch)` is the element's random word, and
 * `dropoutMultiplier(element, key..., threshold, scale)` what dropout multiplies it by.
 */
export const PHILOX_WGSL = `
fn multiplyHigh(a: u32, b: u32) -> u32 {
  let aLow = a & 0xffffu;
  let aHigh = a >> 16u;
  let bLow = b & 0xffffu;
  let bHigh = b >> 16u;
  let middle = aHigh * bLow + ((aLow * bLow) >> 16u);
  let cross = aLow * bHigh + (middle & 0xffffu);
  return aHigh * bHigh + (middle >> 16u) + (cross >> 16u);
}

fn philoxWord(element: u32, seed: u32, stream: u32, update: u32, microBatch: u32) -> u32 {
  var c = vec4<u32>(element >> 2u, update, microBatch, 0u);
  var key = vec2<u32>(seed, stream);
  for (var round = 0u; round < 10u; round = round + 1u) {
    let high0 = multiplyHigh(c.x, 0xd2511f53u);
    let high1 = multiplyHigh(c.z, 0xcd9e8d57u);
    c = vec4<u32>(high1 ^ c.y ^ key.x, c.z * 0xcd9e8d57u, high0 ^ c.w ^ key.y, c.x * 0xd2511f53u);
    key = key + vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
  }
  return c[element & 3u];
}

fn dropoutMultiplier(
  element: u32, seed: u32, stream: u32, update: u32, microBatch: u32, threshold: u32, scale: f32,
) -> f32 {
  return select(0.0, scale, philoxWord(element, seed, stream, update, microBatch) >= threshold);
}
`;
