/**
 * A number as Python's format(x, ".3") writes it, which fairseq's logs use: three significant
 * digits, exactly rounded (half to even), at least one decimal, exponents from 100 on and below 1e-4.
 *
 * @param value at least 0.
 */
export function formatPercentage(value: number): string {
  if (value === 0) return "0.0";
  // Fifty digits tell a tie from its neighbours: a double that is not the tie differs by the 18th.
  const [digits = "", exponentText = ""] = value.toExponential(50).split("e");
  let exponent = Number(exponentText);
  const all = digits.replace(".", "");
  let rounded = Number(all.slice(0, 3));
  const rest = all.slice(3);
  const half = `5${"0".repeat(rest.length - 1)}`;
  if (rest > half || (rest === half && rounded % 2 === 1)) rounded++;
  if (rounded === 1000) {
    rounded = 100;
    exponent++;
  }
  const significant = String(rounded);
  if (exponent >= 2 || exponent < -4) {
    const mantissa = trimZeros(`${significant[0]}.${significant.slice(1)}`).replace(/\.$/, "");
    const sign = exponent < 0 ? "-" : "+";
    return `${mantissa}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  const fixed =
    exponent < 0
      ? `0.${"0".repeat(-exponent - 1)}${significant}`
      : `${significant.slice(0, exponent + 1)}.${significant.slice(exponent + 1)}`;
  return trimZeros(fixed).replace(/\.$/, ".0");
}

const trimZeros = (text: string): string => text.replace(/0+$/, "");
