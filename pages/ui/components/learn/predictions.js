// Numbers of predictions and results.

import { formatPercent, formatPoints } from "../shared/format.js";

/** @param {number[]} values */
export const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * Return a value within the axis, rounded to halves.
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
export const nearest = (value, low, high) => Math.min(high, Math.max(low, Math.round(value * 2) / 2));

/**
 * Return five round ticks or so.
 * @param {number} low
 * @param {number} high
 * @returns {[number, string][]}
 */
export function ticksBetween(low, high) {
  const step = [1, 2, 5, 10, 20, 25, 50].find((size) => (high - low) / size <= 5) ?? 100;
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => {
    const value = (first + i) * step;
    return [value, String(value).replace("-", "−")];
  });
}

/**
 * Return a value with its unit: "87.5 %", or points with their sign.
 * @param {number} value
 * @param {string} unit
 */
export const valueText = (value, unit) => (unit === "%" ? formatPercent(value / 100) : formatPoints(value));

/**
 * Return a value as it is written beside its mark, without the word "points", which the axis says.
 * @param {number} value
 * @param {string} unit
 */
export const shortText = (value, unit) => valueText(value, unit).replace(/\spoints$/, "");

/**
 * Return how far a prediction was from the value, as the end of a sentence.
 * @param {number | undefined} predicted
 * @param {number} value
 */
export function gap(predicted, value) {
  if (predicted === undefined) return "";
  const distance = Math.abs(predicted - value);
  return distance < 0.75
    ? " (you were right)"
    : ` (you were ${distance.toFixed(1)} too ${predicted > value ? "high" : "low"})`;
}

/**
 * Return where beside the middle of a column the mark with this number stands, so that equal marks do not hide each other.
 * @param {number} number
 * @param {number} width
 */
export const spread = (number, width) => width * (((0.618034 * (number + 1)) % 1) - 0.5) * 2;

/**
 * Return in words what a class has marked, as a list with one entry, or none without marks.
 * @param {{key: string, label: string}[]} points
 * @param {Record<string, number[]>} marks
 * @param {string} unit
 */
export function classText(points, marks, unit) {
  const marked = points.filter(({ key }) => marks[key]?.length);
  if (!marked.length) return [];
  const means = marked.map(({ key, label }) => `${label} ${valueText(mean(marks[key]), unit)}`);
  return [`◇ the class expected, on average, ${means.join(", ")}`];
}
