/** Strings of random digits, the same for the same seed: `digits(low, high)` has low..high of them. */
export function seededDigits(seed: number): (low: number, high: number) => number[] {
  let state = seed >>> 0;
  const next = (below: number): number => {
    // Numerical Recipes' linear congruential generator; its high bits are good enough here.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  return (low, high) => Array.from({ length: low + next(high - low + 1) }, () => next(10));
}
