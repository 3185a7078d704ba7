// Calibration metrics at a temperature, and the loss over the temperature.

import { temperatureGrid } from "../../shared/math/scales.js";
import { argmax, oddsAgainstTop } from "../../shared/math/softmax.js";

/** @typedef {{from: number, to: number, count: number, confidence: number, accuracy: number}} Bin */
/** @typedef {{bins: Bin[], total: {count: number, confidence: number, accuracy: number, error: number}}} Reliability */

/**
 * Return accuracy and mean confidence by bins (from, to] of the top probability, and the expected calibration error,
 * like kd_core/base/metrics.py. Logits that are not finite belong to no bin.
 * @param {Float32Array | number[]} logits (examples × classes), row by row
 * @param {number[]} labels
 * @param {number} count of classes
 * @param {number} temperature
 * @param {number} number of bins
 * @returns {Reliability}
 */
export function reliability(logits, labels, count, temperature, number) {
  const bin = (/** @type {number} */ b) => ({
    from: b / number,
    to: (b + 1) / number,
    count: 0,
    confidence: 0,
    accuracy: 0,
  });
  const bins = Array.from({ length: number }, (_, b) => bin(b));
  const total = { count: 0, confidence: 0, accuracy: 0, error: 0 };
  labels.forEach((label, i) => {
    const top = argmax(logits, i * count, count);
    const confidence = 1 / (1 + oddsAgainstTop(top, logits, i * count, count, temperature));
    if (!Number.isFinite(confidence)) return;
    const place = Math.min(number, Math.max(1, Math.ceil(confidence * number))) - 1;
    for (const group of [total, bins[place]]) {
      group.count += 1;
      group.confidence += (confidence - group.confidence) / group.count;
      group.accuracy += (Number(top === label) - group.accuracy) / group.count;
    }
  });
  for (const { count: size, accuracy, confidence } of bins) {
    total.error += (Math.abs(accuracy - confidence) * size) / total.count;
  }
  return { bins, total };
}

/** Negative log-likelihood over the temperature, computed a few points per frame. */
export class LossCurve {
  /** @type {number[]} */
  losses = [];
  /** The best temperature, checked by calibration.js. @type {any} */
  best = null;

  /**
   * @param {Float32Array | number[]} logits (examples × classes), row by row
   * @param {number[]} labels
   * @param {number} count of classes
   * @param {number[]} range lowest and highest temperature
   */
  constructor(logits, labels, count, range) {
    this.logits = logits;
    this.labels = labels;
    this.count = count;
    this.range = range;
    this.grid = temperatureGrid(range);
  }

  get isComplete() {
    return this.losses.length === this.grid.length;
  }

  /**
   * Compute at least one point, then more until a time.
   * @param {number} until in milliseconds of performance.now()
   */
  advance(until) {
    do if (!this.isComplete) this.losses.push(this.at(this.grid[this.losses.length]));
    while (!this.isComplete && performance.now() < until);
    return this;
  }

  /**
   * Return the mean loss in nats, by log1p to stay exact for confident predictions.
   * @param {number} temperature
   */
  at(temperature) {
    const { logits, labels, count } = this;
    let sum = 0;
    labels.forEach((label, i) => {
      const top = argmax(logits, i * count, count);
      const gap = logits[i * count + top] / temperature - logits[i * count + label] / temperature;
      sum += gap + Math.log1p(oddsAgainstTop(top, logits, i * count, count, temperature));
    });
    return sum / labels.length;
  }
}

const LOSS_TICKS = [1e-4, 1e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 1000];

/**
 * Return a logarithmic axis for all losses, with room below for the names of the optima.
 * @param {number[]} losses
 * @returns {import("../../shared/math/scales.js").Axis}
 */
export function lossAxis(losses) {
  const finite = losses.filter((loss) => Number.isFinite(loss));
  const high = Math.max(...finite) * 1.08;
  const lowest = Math.max(LOSS_TICKS[0], Math.min(...finite));
  const low = lowest / (high / lowest) ** 0.2;
  const isWritten = (/** @type {number} */ tick) => high / low < 500 || Number.isInteger(Math.log10(tick));
  const ticks = LOSS_TICKS.filter((tick) => tick >= low && tick <= high && isWritten(tick));
  const title = "negative log-likelihood, nats (logarithmic)";
  return { low, high, log: true, ticks: ticks.map((tick) => [tick, String(tick)]), title };
}
