import assert from "node:assert/strict";
import { test } from "node:test";
import { klDivergence, logSoftmax } from "../../pages/ui/components/shared/math/softmax.js";
import { GradientNorms, teacherFraction } from "../../pages/ui/components/temperature/gradients/gradient_norms.js";
import { near, random } from "./near.js";

const [EXAMPLES, CLASSES] = [6, 4];
const next = random(8);
const student = Array.from({ length: EXAMPLES * CLASSES }, () => 6 * next() - 3);
const teacher = Array.from({ length: EXAMPLES * CLASSES }, () => 6 * next() - 3);
const labels = Array.from({ length: EXAMPLES }, () => Math.floor(CLASSES * next()));

/** Mean norm of the gradient of a loss of one row of logits, by central differences. */
function numericNorm(/** @type {(row: number[], n: number) => number} */ loss) {
  const step = 1e-5;
  let sum = 0;
  for (let n = 0; n < EXAMPLES; n += 1) {
    const row = student.slice(n * CLASSES, (n + 1) * CLASSES);
    const moved = (/** @type {number} */ k, /** @type {number} */ by) => row.map((z, i) => (i === k ? z + by : z));
    sum += Math.hypot(...row.map((_, k) => (loss(moved(k, step), n) - loss(moved(k, -step), n)) / (2 * step)));
  }
  return sum / EXAMPLES;
}

test("gradient norms are those of the losses, differentiated numerically", () => {
  const norms = new GradientNorms(student, teacher, labels, [0.25, 64]);
  for (const temperature of [0.5, 1, 4, 20]) {
    const point = norms.at(temperature);
    const kl = numericNorm((row, n) => {
      const target = logSoftmax(teacher.slice(n * CLASSES, (n + 1) * CLASSES), temperature);
      return klDivergence(target, logSoftmax(row, temperature));
    });
    near(point.without, kl, 1e-8);
    near(point.with, temperature ** 2 * kl, 1e-6);
    near(
      point.labels,
      numericNorm((row, n) => -logSoftmax(row)[labels[n]]),
      1e-8,
    );
  }
});

test("the curve has all its points in the end, in the order of the temperature", () => {
  const norms = new GradientNorms(student, teacher, labels, [0.25, 64]);
  norms.refine(0);
  assert.equal(norms.curve.length, 0);
  norms.refine();
  const temperatures = norms.curve.map(({ temperature }) => temperature);
  assert.equal(temperatures.length, 61);
  assert.deepEqual(
    temperatures,
    [...temperatures].sort((a, b) => a - b),
  );
});

test("a confident student has an exact gradient, not one lost in rounding", () => {
  const norms = new GradientNorms([60, 0], [60.5, 0], [0], [1, 2]);
  near(norms.at(1).labels, Math.SQRT2 * Math.exp(-60), 1e-36);
});

test("alpha weighs the norms, and without a gradient there is no fraction", () => {
  const norms = { temperature: 2, labels: 3, with: 4, without: 1 };
  near(teacherFraction(0.25, norms, "with"), 1 / (1 + 2.25), 1e-15);
  near(teacherFraction(0.25, norms, "without"), 0.25 / (0.25 + 2.25), 1e-15);
  assert.equal(teacherFraction(1, { ...norms, with: 0 }, "with"), null);
});
