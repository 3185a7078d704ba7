// Formatting of numbers.

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
 * Write a fraction as a percentage with one decimal. Only exactly 1 is written as 100 %.
 * @param {number} fraction
 */
export function formatPercent(fraction) {
  if (fraction === 1) return "100 %";
  return fraction >= 0.9995 ? "> 99.9 %" : `${(100 * fraction).toFixed(1)} %`;
}

/**
 * Write a temperature with at most two decimals.
 * @param {number} temperature
 */
export const formatTemperature = (temperature) => String(Number(temperature.toFixed(2)));
