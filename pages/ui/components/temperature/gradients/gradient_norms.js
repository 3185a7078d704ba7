// Norms of the gradients from a teacher and from the labels over the temperature.
//
// With p and q the softened probabilities of teacher and student, the gradient of T²·KL(p ‖ q) with respect to the
// student's logits is T · (q − p). Each norm is that of one example's gradient, averaged over the examples.

import { lookUp } from "../../shared/math/collections.js";
import { temperatureGrid } from "../../shared/math/scales.js";
import { argmax } from "../../shared/math/softmax.js";

/**
 * Norms with and without the factor T².
 * @typedef {{temperature: number, labels: number, with: number, without: number}} Norms
 */

export class GradientNorms {
  /** Norms by position in the grid. @type {Map<number, Norms>} */
  #points = new Map();
  /** @type {Norms | null} */
  #current = null;

  /**
   * @param {Float32Array | number[]} student logits (examples × classes), row by row
   * @param {Float32Array | number[]} teacher logits
   * @param {number[]} labels
   * @param {number[]} range lowest and highest temperature
   */
  constructor(student, teacher, labels, range) {
    this.student = student;
    this.teacher = teacher;
    this.labels = labels;
    this.range = range;
    const count = student.length / labels.length;
    this.p = new Float64Array(count);
    this.q = new Float64Array(count);
    this.grid = temperatureGrid(range);
    // Both ends come first, then ever finer steps, so that the first frame has the whole curve already.
    const last = this.grid.length - 1;
    const every = (/** @type {number} */ step) => this.grid.map((_, i) => i).filter((i) => i % step === 0);
    /** Positions in the grid that are still to be computed. @type {number[]} */
    this.pending = [...new Set([last, last / 2, last / 4, last / 12, 1].flatMap(every))];
    this.fromLabels = this.#mean((start, n) => {
      softmaxInto(this.q, student, start, 1);
      this.p.fill(0)[labels[n]] = 1;
      return euclideanDistance(this.q, this.p, labels[n]);
    });
  }

  /**
   * @param {Float32Array | number[]} student
   * @param {Float32Array | number[]} teacher
   * @param {number[]} labels
   * @param {number[]} range
   */
  isFor(student, teacher, labels, range) {
    const isSame = this.student === student && this.teacher === teacher && this.labels === labels;
    return isSame && String(this.range) === String(range);
  }

  /** @param {(start: number, n: number) => number} norm of the example n, whose row begins at start */
  #mean(norm) {
    let sum = 0;
    this.labels.forEach((_, n) => {
      sum += norm(n * this.p.length, n);
    });
    return sum / this.labels.length;
  }
  /** @param {number} temperature */
  #normsAt(temperature) {
    const distance = this.#mean((start) => {
      softmaxInto(this.q, this.student, start, temperature);
      softmaxInto(this.p, this.teacher, start, temperature);
      return euclideanDistance(this.q, this.p, argmax(this.p));
    });
    return { temperature, labels: this.fromLabels, with: temperature * distance, without: distance / temperature };
  }

  /** @param {number} temperature */
  at(temperature) {
    if (this.#current?.temperature !== temperature) this.#current = this.#normsAt(temperature);
    return this.#current;
  }
  /** @param {number} [milliseconds] to spend on the grid */
  refine(milliseconds = Number.POSITIVE_INFINITY) {
    const end = performance.now() + milliseconds;
    while (this.pending.length && performance.now() < end) {
      const [i] = this.pending.splice(0, 1);
      this.#points.set(i, this.#normsAt(this.grid[i]));
    }
  }
  /** The points computed so far, sorted by temperature. */
  get curve() {
    return [...this.#points.keys()].sort((a, b) => a - b).map((i) => lookUp(this.#points, i));
  }
}

/**
 * Write the softmax of one row of logits into an array.
 * @param {Float64Array} target
 * @param {ArrayLike<number>} logits
 * @param {number} start of the row
 * @param {number} temperature
 */
function softmaxInto(target, logits, start, temperature) {
  const count = target.length;
  const top = logits[start + argmax(logits, start, count)];
  let sum = 0;
  for (let k = 0; k < count; k += 1) {
    target[k] = Math.exp((logits[start + k] - top) / temperature);
    sum += target[k];
  }
  for (let k = 0; k < count; k += 1) target[k] /= sum;
}

/**
 * Return ‖q − p‖ of two distributions. Since both sum to 1, the difference at the most probable class is computed from
 * the others, which is exact where q and p are near 1.
 * @param {Float64Array} q
 * @param {Float64Array} p
 * @param {number} top the most probable class
 */
function euclideanDistance(q, p, top) {
  let squares = 0;
  let rest = 0;
  for (let k = 0; k < q.length; k += 1) {
    if (k === top) continue;
    const difference = q[k] - p[k];
    rest += difference;
    squares += difference * difference;
  }
  return Math.sqrt(squares + rest * rest);
}

/**
 * Return the teacher's fraction of the sum of the gradient norms, or null if both are zero.
 * @param {number} alpha
 * @param {Norms} norms
 * @param {"with" | "without"} name
 */
export function teacherFraction(alpha, norms, name) {
  const teacher = alpha * norms[name];
  const sum = teacher + (1 - alpha) * norms.labels;
  return sum > 0 ? teacher / sum : null;
}
