// Formatting of the probabilities of a heat map.

import { formatNumber, formatPercent } from "../../shared/format.js";
import palette from "../../shared/palette.js";

/**
 * Write a probability in percent, with three significant digits if it is small.
 * @param {number} p
 */
export function formatProbability(p) {
  if (!Number.isFinite(p)) return "–";
  if (p === 0) return formatPercent(0);
  return p >= 0.0095 ? formatPercent(p) : `${formatNumber(100 * p)}${palette.space}%`;
}

/**
 * Write a difference of two probabilities in percentage points.
 * @param {number} difference
 */
export function formatPoints(difference) {
  if (!Number.isFinite(difference)) return "–";
  const sign = difference < 0 ? "−" : difference > 0 ? "+" : "";
  return `${sign}${formatNumber(100 * Math.abs(difference))}`;
}
