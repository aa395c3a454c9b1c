import { expect, test } from "bun:test";
import { formatFixed, formatFloat } from "../../src/score/python_format.ts";

test("formatFloat() writes floats as Python's str() does", () => {
  const cases: [number, string][] = [
    [1, "1.0"],
    [-0, "-0.0"],
    [0.1, "0.1"],
    [-1.5686346292495728, "-1.5686346292495728"],
    [1e-4, "0.0001"],
    [1e-5, "1e-05"],
    [1.5e-7, "1.5e-07"],
    [123456789012345.6, "123456789012345.6"],
    [1e15, "1000000000000000.0"],
    [1e16, "1e+16"],
    [1.0142320547350532e304, "1.0142320547350532e+304"],
    [Number.NEGATIVE_INFINITY, "-inf"],
    [Number.NaN, "nan"],
  ];
  for (const [x, text] of cases) expect(formatFloat(x)).toBe(text);
});

test("formatFixed() rounds exact halves to even, as Python does", () => {
  const cases: [number, number, string][] = [
    [0.5, 0, "0"],
    [1.5, 0, "2"],
    [2.5, 0, "2"],
    [-2.5, 0, "-2"],
    [-0.5, 0, "-0"],
    [0.03125, 4, "0.0312"],
    [-0.03125, 4, "-0.0312"],
    [0.09375, 4, "0.0938"],
    [12.125, 2, "12.12"],
    [12.375, 2, "12.38"],
    [2.675, 2, "2.67"],
    [-0.00001, 4, "-0.0000"],
    [-0, 2, "-0.00"],
    [100, 1, "100.0"],
    [1e22, 1, "10000000000000000000000.0"],
    [Number.NEGATIVE_INFINITY, 4, "-inf"],
  ];
  for (const [x, digits, text] of cases) expect(formatFixed(x, digits)).toBe(text);
});
