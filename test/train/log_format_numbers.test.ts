import { expect, test } from "bun:test";
import {
  formatFixed,
  formatFloat,
  formatGeneral,
  roundTo,
} from "../../src/train/log_format_numbers.ts";

test("formatFixed() rounds exact halves to even, as Python does", () => {
  for (const [value, digits, text] of [
    [0.0625, 3, "0.062"],
    [0.1875, 3, "0.188"],
    [-0.0625, 3, "-0.062"],
    [2.675, 2, "2.67"],
    [1.0005, 3, "1.000"],
    [0.5, 0, "0"],
    [-0.5, 0, "-0"],
    [3.5, 0, "4"],
    [-0, 3, "-0.000"],
    [Number.NaN, 3, "nan"],
    [-Infinity, 3, "-inf"],
  ] as const) {
    expect(formatFixed(value, digits)).toBe(text);
  }
});

test("roundTo() is Python's round()", () => {
  expect([roundTo(2.5, 0), roundTo(8.3905, 3), roundTo(0.25, 1)]).toEqual([2, 8.39, 0.2]);
  expect(roundTo(Number.NaN, 2)).toBeNaN();
});

test("formatGeneral() is Python's :g", () => {
  for (const [value, text] of [
    [0, "0"],
    [100, "100"],
    [8.39, "8.39"],
    [0.000750075, "0.000750075"],
    [0.00001, "1e-05"],
    [0.0001, "0.0001"],
    [123456.5, "123456"],
    [999999.5, "1e+06"],
    [1234565, "1.23456e+06"],
    [28.03125, "28.0312"],
    [1e22, "1e+22"],
    [Infinity, "inf"],
  ] as const) {
    expect(formatGeneral(value)).toBe(text);
  }
});

test("formatFloat() is Python's str() of a float", () => {
  for (const [value, text] of [
    [1, "1.0"],
    [0.25, "0.25"],
    [1e16, "1e+16"],
    [1e15, "1000000000000000.0"],
    [0.0001, "0.0001"],
    [0.00001, "1e-05"],
    [0.00012345678, "0.00012345678"],
  ] as const) {
    expect(formatFloat(value)).toBe(text);
  }
});
