// Ranges, ticks and positions on axes.

import { formatNumber, formatPercent, superscript } from "../format.js";

/** @typedef {{low: number, high: number, log: boolean, ticks: [number, string][], title?: string}} Axis */

export const LOG_FLOOR = 1e-6; // the low end of a logarithmic axis of probabilities

/**
 * Return the position of a probability on its axis, 0 to 1.
 * @param {number} p
 * @param {boolean} log
 */
export const axisFraction = (p, log) => (log ? Math.max(0, 1 + Math.log10(Math.max(p, LOG_FLOOR)) / 6) : p);

/**
 * Return the position of a value between the ends of an axis, 0 to 1.
 * @param {number} value
 * @param {{low: number, high: number, log: boolean}} axis
 */
export const placeOnAxis = (value, { low, high, log }) =>
  log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);

const TEMPERATURE_TICKS = [0.5, 1, 2, 4, 8, 16, 32, 64];
const FEW_TEMPERATURE_TICKS = [1, 4, 16, 64]; // on a narrow screen

/**
 * Return the logarithmic temperature axis of every chart.
 * @param {number[]} range lowest and highest temperature
 * @param {boolean} [isNarrow]
 * @returns {Axis}
 */
export function temperatureAxis([low, high], isNarrow = false) {
  const candidates = isNarrow ? FEW_TEMPERATURE_TICKS : TEMPERATURE_TICKS;
  const inside = candidates.filter((tick) => tick >= low && tick <= high);
  return { low, high, log: true, ticks: inside.map((tick) => [tick, String(tick)]), title: "temperature T" };
}

/**
 * Return temperatures from the lowest to the highest in equal steps of their logarithm.
 * @param {number[]} range
 * @param {number} [count]
 */
export const temperatureGrid = ([low, high], count = 61) =>
  Array.from({ length: count }, (_, i) => low * (high / low) ** (i / (count - 1)));

/**
 * Return an axis from 0 to `high` or slightly above, with three to six round ticks.
 * @param {number} high
 * @param {string} [title]
 * @returns {Axis}
 */
export function roundAxis(high, title) {
  const raw = (high || 1) / 4;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5].map((factor) => factor * size).find((candidate) => candidate >= raw) ?? 10 * size;
  const top = Math.ceil((high || 1) / step - 1e-9) * step;
  const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, i) => i * step);
  return {
    low: 0,
    high: top,
    log: false,
    ticks: ticks.map((tick) => [tick, String(Number(tick.toPrecision(4)))]),
    title,
  };
}

/**
 * Return ticks at the powers of ten from 10^low to 10^high; the lowest also stands for all smaller values.
 * @param {number} low
 * @param {number} high
 * @returns {[number, string][]}
 */
export function decadeTicks(low, high) {
  /** @type {[number, string][]} */
  const ticks = [];
  for (let at = low; at <= high; at += 1) {
    const text = Math.abs(at) < 3 ? Number((10 ** at).toPrecision(1)) : `10${superscript(at)}`;
    ticks.push([10 ** at, `${at === low ? "≤ " : ""}${text}`]);
  }
  return ticks;
}

/**
 * Return a range that ends on round numbers, so that it does not change with every new point.
 * @param {number} low
 * @param {number} high
 */
export function roundRange(low, high) {
  const step = 10 ** Math.floor(Math.log10((high - low || Math.abs(high) || 1) / 2));
  return [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
}

/**
 * Return a range of fractions, at least 0.05 wide; it exceeds 1 by at most a line width.
 * @param {number[]} values
 */
export function fractionRange(values) {
  const high = Math.max(...values);
  const low = Math.min(...values);
  const width = Math.max(high - low, 0.05);
  const lowest = low < 0 ? -1 : 0; // R² is negative before anything is learned, and may be far below -1
  const bottom = Math.max(lowest, Math.floor((low - 0.08 * width) * 20) / 20);
  const top = Math.min(1, Math.ceil((high + 0.08 * width) * 20) / 20);
  return [bottom, top === 1 ? 1.004 : top];
}

/**
 * Return the ticks of a logarithmic axis as Plotly options, 1, 2 and 5 of each decade where they fit, else the decades.
 * @param {number[]} range exponents of ten
 */
export function logTicks([low, high]) {
  const steps = high - low < 1.6 ? [1, 2, 5] : high - low < 3 ? [1, 3] : [1];
  const ticks = [];
  for (let decade = Math.floor(low); decade <= high; decade++) {
    for (const step of steps) ticks.push(step * 10 ** decade);
  }
  const inside = ticks.filter((tick) => Math.log10(tick) >= low && Math.log10(tick) <= high);
  const text = (/** @type {number} */ tick) =>
    tick >= 1e-3 && tick < 1e4 ? String(Number(tick.toPrecision(1))) : formatNumber(tick).replace("1.0×", "");
  return { tickmode: "array", tickvals: inside, ticktext: inside.map(text) };
}

/**
 * Return the range of a y axis as Plotly expects it, in exponents of ten on a logarithmic axis.
 * @param {number[]} values
 * @param {{percent?: boolean}} panel
 * @param {boolean} log
 */
export function valueRange(values, panel, log) {
  const usable = log ? values.filter((value) => value > 0) : values;
  if (usable.length === 0) return log ? [-1, 0] : [0, 1];
  const low = Math.min(...usable);
  const high = Math.max(...usable);
  if (log) return [Math.log10(low) - 0.08, Math.log10(high) + 0.08];
  if (panel.percent) return fractionRange(usable);
  return roundRange(low >= 0 && low < high / 2 ? 0 : low, high);
}

/**
 * Return five ticks or fewer of an axis of fractions, with round percentages.
 * @param {number[]} range
 */
export function percentTicks([low, high]) {
  const step = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25].find((size) => (high - low) / size <= 4.5) ?? 0.5;
  const first = Math.ceil(low / step - 1e-9);
  const tickvals = Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) => (first + i) * step);
  return {
    tickmode: "array",
    tickvals,
    ticktext: tickvals.map((y) => formatPercent(Number(y.toFixed(6)), step < 0.01 ? 1 : 0)),
  };
}
