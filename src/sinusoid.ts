/**
 * Row `row` of fairseq's sinusoids into `out`: sines in the first half, cosines in the second,
 * wavelengths in geometric progression from 2 pi to 20000 pi. float32 as fairseq computes it: the angle
 * is rounded before its sine is taken. Vaswani et al. 2017, section 3.5.
 */
export function sinusoid(row: number, out: Float32Array): void {
  const half = Math.floor(out.length / 2);
  const decay = Math.fround(Math.log(10000) / (half - 1));
  for (let i = 0; i < half; i++) {
    const angle = Math.fround(row * Math.fround(Math.exp(-i * decay)));
    out[i] = Math.sin(angle);
    out[half + i] = Math.cos(angle);
  }
}
