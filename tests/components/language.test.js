import assert from "node:assert/strict";
import { test } from "node:test";
import { remaining, renormalise } from "../../pages/ui/components/language/sampling.js";
import { SharedTemperature } from "../../pages/ui/components/language/shared_temperature.js";
import { COLOURS, level, nearest } from "../../pages/ui/components/language/surprise_scale.js";
import { logSoftmax } from "../../pages/ui/components/shared/math/softmax.js";
import { near, random } from "./near.js";

const LOGP = [0.5, 0.2, 0.15, 0.1, 0.05].map(Math.log);
const kept = (/** @type {number} */ k, /** @type {number} */ p) =>
  remaining(LOGP, k, p).flatMap((is, i) => (is ? [i] : []));

test("top-k keeps the k most likely classes and 0 keeps all", () => {
  assert.deepEqual(kept(1, 1), [0]);
  assert.deepEqual(kept(3, 1), [0, 1, 2]);
  assert.deepEqual(kept(0, 1), [0, 1, 2, 3, 4]);
  assert.deepEqual(kept(9, 1), [0, 1, 2, 3, 4]);
});

test("top-p keeps the fewest classes that reach the probability, and always one", () => {
  assert.deepEqual(kept(0, 0.01), [0]);
  assert.deepEqual(kept(0, 0.6), [0, 1]);
  assert.deepEqual(kept(0, 0.86), [0, 1, 2, 3]);
});

test("top-p counts the probabilities that top-k left, renormalised", () => {
  assert.deepEqual(kept(2, 0.7), [0]); // 0.5 of 0.7 is 0.71
});

test("classes of equal probability at the limit of top-k remain together", () => {
  assert.deepEqual(remaining([0.4, 0.3, 0.3].map(Math.log), 2, 1), [true, true, true]);
});

test("what remains sums to one and keeps its ratios", () => {
  const next = random(7);
  for (let trial = 0; trial < 100; trial += 1) {
    const logp = logSoftmax(Array.from({ length: 12 }, () => 8 * next() - 4));
    const remains = remaining(logp, 1 + Math.floor(12 * next()), 0.05 + 0.95 * next());
    const result = renormalise(logp, remains);
    near(
      result.reduce((sum, value) => sum + Math.exp(value), 0),
      1,
      1e-12,
    );
    const top = logp.indexOf(Math.max(...logp));
    assert.ok(remains[top]);
    result.forEach((value, k) => {
      if (remains[k]) near(value - result[top], logp[k] - logp[top], 1e-12);
      else assert.equal(value, Number.NEGATIVE_INFINITY);
    });
  }
});

test("a certain character is brightest and an unlikely one darkest", () => {
  assert.equal(level(0), COLOURS.length - 1);
  assert.equal(level(8), 0);
  assert.equal(level(30), 0);
  for (let bits = 0; bits < 8; bits += 0.5) assert.ok(level(bits + 0.5) <= level(bits));
});

test("a character is readable on every colour", () => {
  const luminance = (/** @type {string} */ colour) => {
    const parts = (colour.match(/[0-9a-f]{2}/gi) ?? []).map((part) => Number.parseInt(part, 16) / 255);
    const [red, green, blue] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  for (const { background, text } of COLOURS) {
    const [low, high] = [luminance(background), luminance(text)].sort((a, b) => a - b);
    assert.ok((high + 0.05) / (low + 0.05) >= 4.5, `${text} on ${background}`);
  }
});

test("the text shown is that of the nearest temperature by ratio", () => {
  const temperatures = [0.3, 0.5, 1, 2];
  assert.equal(nearest(temperatures, 0.3), 0);
  assert.equal(nearest(temperatures, 1.4), 2);
  assert.equal(nearest(temperatures, 1.45), 3);
  assert.equal(nearest(temperatures, 9), 3);
});

test("a slider moves all others of its view and no other view", () => {
  /** @type {[string, number][]} */
  const moved = [];
  const member = (/** @type {string} */ name, /** @type {string} */ view) => {
    const shared = new SharedTemperature((value) => moved.push([name, value]));
    shared.join(view);
    return shared;
  };
  const [first, second, other] = [member("first", "a"), member("second", "a"), member("other", "b")];
  first.set(0.7);
  first.set(0.7);
  assert.deepEqual(moved, [["second", 0.7]]);
  second.leave();
  first.set(0.8);
  other.set(1);
  assert.deepEqual(moved, [["second", 0.7]]);
});
