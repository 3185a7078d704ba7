import assert from "node:assert/strict";

/**
 * Assert that two numbers differ by at most an absolute tolerance.
 * @param {number} actual
 * @param {number} expected
 * @param {number} tolerance
 */
export function near(actual, expected, tolerance) {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not within ${tolerance} of ${expected}`);
}

/**
 * Return a seeded generator of numbers from 0 to 1 (mulberry32), so that a failure repeats.
 * @param {number} seed
 */
export function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
