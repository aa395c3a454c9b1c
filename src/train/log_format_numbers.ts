// Numbers as Python prints and rounds them: fairseq's logs and file names are made of them.

/** Python's f"{value:.{digits}f}": exact halves go to the even neighbour. */
export function formatFixed(value: number, digits: number): string {
  if (!Number.isFinite(value)) return formatSpecial(value);
  const size = Math.abs(value);
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  // A tie has at most digits + 1 binary places; only then do toFixed and Python differ.
  const scaled = size * 10 ** digits;
  const tie = Number.isInteger(size * 2 ** (digits + 1)) && scaled % 1 === 0.5;
  return sign + (tie ? roundHalfEven(scaled) / 10 ** digits : size).toFixed(digits);
}

const roundHalfEven = (half: number): number => 2 * Math.round(half / 2);

/** Python's round(value, digits), for digits >= 0. */
export function roundTo(value: number, digits: number): number {
  return Number.isFinite(value) ? Number(formatFixed(value, digits)) : value;
}

/** Python's f"{value:g}": six significant digits, no trailing zeros. */
export function formatGeneral(value: number): string {
  if (!Number.isFinite(value)) return formatSpecial(value);
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [digits = "", exponentText = "0"] = value.toExponential(5).split("e");
  const exponent = Number(exponentText);
  if (exponent >= -4 && exponent < 6) return withoutZeros(formatFixed(value, 5 - exponent));
  const unit = 10 ** (exponent - 5);
  const tie = exponent > 0 && Math.abs(value / unit) % 1 === 0.5;
  const rounded = tie ? (roundHalfEven(value / unit) / 1e5).toFixed(5) : digits;
  return withoutZeros(rounded) + exponentSuffix(exponent);
}

/** Python's str(value) of a float: the shortest text that reads back as it. */
export function formatFloat(value: number): string {
  if (!Number.isFinite(value)) return formatSpecial(value);
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  const [digits = "", exponentText = "0"] = value.toExponential().split("e");
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 16) {
    return digits + exponentSuffix(exponent);
  }
  const plain = exponent < 0 ? value.toFixed(decimals(digits) - exponent) : String(value);
  return plain.includes(".") ? plain : `${plain}.0`;
}

const exponentSuffix = (exponent: number): string =>
  `e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;

const decimals = (digits: string): number => (digits.split(".")[1] ?? "").length;

const withoutZeros = (text: string): string =>
  text.includes(".") ? text.replace(/\.?0+$/, "") : text;

const formatSpecial = (value: number): string =>
  Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
