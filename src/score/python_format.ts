// Numbers as Python prints them: fairseq's and sacreBLEU's lines are read by other people's scripts.

/** Python's str(x) of a float: the shortest decimals that give x again, always with a point or exponent. */
export function formatFloat(x: number): string {
  if (Number.isNaN(x)) return "nan";
  if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
  if (Object.is(x, -0)) return "-0.0";
  const [mantissa, exponent] = x.toExponential().split("e");
  const power = Number(exponent);
  if (power < -4 || power >= 16) {
    const sign = power < 0 ? "-" : "+";
    return `${mantissa}e${sign}${String(Math.abs(power)).padStart(2, "0")}`;
  }
  // JavaScript writes 1e-5 and below, and 1e21 and above, with an exponent: outside this range.
  const text = String(x);
  return text.includes(".") ? text : `${text}.0`;
}

/** Python's f"{x:.{digits}f}": the exact binary value rounded to the nearest, halves to even. */
export function formatFixed(x: number, digits: number): string {
  if (!Number.isFinite(x)) return formatFloat(x);
  const text = Math.abs(x) < 1e21 ? x.toFixed(digits) : BigInt(x).toString();
  if (Math.abs(x) >= 1e21) return digits > 0 ? `${text}.${"0".repeat(digits)}` : text;
  const sign = Object.is(x, -0) ? "-" : "";
  return sign + (isHalf(x, digits) ? roundHalfToEven(text, x, digits) : text);
}

/**
 * Whether x lies exactly between two decimals of that many digits, that is, x * 10^digits * 2 is odd:
 * only there do the two languages differ. 5^digits is odd, so powers of two decide, and they are exact.
 */
function isHalf(x: number, digits: number): boolean {
  return Math.abs(x * 2 ** (digits + 1)) % 2 === 1;
}

/** JavaScript rounds a half away from zero; takes the step back if that left an odd digit. */
function roundHalfToEven(text: string, x: number, digits: number): string {
  const last = Number(text[text.length - 1]);
  if (last % 2 === 0) return text;
  const negative = x < 0;
  const unsigned = text.replace("-", "").replace(".", "");
  const stepped = (BigInt(unsigned) - 1n).toString().padStart(digits + 1, "0");
  const whole = stepped.slice(0, stepped.length - digits);
  const fraction = digits > 0 ? `.${stepped.slice(stepped.length - digits)}` : "";
  return `${negative ? "-" : ""}${whole}${fraction}`;
}
