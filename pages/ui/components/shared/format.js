// Formatting of numbers.

import palette from "./palette.js";

/** @type {Record<string, string>} */
const SUPERSCRIPTS = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

/**
 * Write an integer in superscript digits.
 * @param {number} exponent
 */
export const superscript = (exponent) => [...String(exponent)].map((digit) => SUPERSCRIPTS[digit]).join("");

/**
 * Write a number with three significant digits: 0.0312, 83.2, 1,230, 4.1×10⁻⁶.
 * @param {number} value
 */
export function formatNumber(value) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 999.5) return Math.round(value).toLocaleString("en");
  if (size >= 1e-3) return value.toPrecision(3);
  const [mantissa, exponent] = value.toExponential(1).split("e");
  return `${mantissa}×10${superscript(Number(exponent))}`;
}

/**
 * Write a fraction as a percentage: 99.0 %. Only exactly 0 and 1 are 0 % and 100 %. As marks.percent in Python.
 * @param {number} fraction
 * @param {number} [decimals]
 */
export function formatPercent(fraction, decimals = 1) {
  const unit = `${palette.space}%`;
  if (fraction === 0 || fraction === 1) return `${100 * fraction}${unit}`;
  const least = 10 ** -decimals;
  if (fraction > 0 && 100 * fraction < least / 2) return `<${palette.space}${least.toFixed(decimals)}${unit}`;
  if (fraction < 1 && 100 * fraction >= 100 - least / 2) {
    return `>${palette.space}${(100 - least).toFixed(decimals)}${unit}`;
  }
  return `${(100 * fraction).toFixed(decimals)}${unit}`.replace("-", palette.minus);
}

/**
 * Write a difference in percentage points: +7.0 points. As marks.points in Python.
 * @param {number} difference
 * @param {number} [decimals]
 */
export function formatPoints(difference, decimals = 1) {
  const number = (Number(difference.toFixed(decimals)) + 0).toFixed(decimals);
  const sign = Number(number) < 0 ? palette.minus : "+";
  return `${sign}${number.replace("-", "")}${palette.space}points`;
}

/**
 * Write a temperature with at most two decimals.
 * @param {number} temperature
 */
export const formatTemperature = (temperature) => String(Number(temperature.toFixed(2)));
