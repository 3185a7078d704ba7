import assert from "node:assert/strict";
import { test } from "node:test";
import {
  axisFraction,
  decadeTicks,
  fractionRange,
  logTicks,
  placeOnAxis,
  roundAxis,
  roundRange,
  temperatureAxis,
  temperatureGrid,
  valueRange,
} from "../../pages/ui/components/shared/math/scales.js";
import { spread } from "../../pages/ui/components/shared/math/spread.js";
import { near, random } from "./near.js";

test("a logarithmic axis of probabilities ends at one in a million", () => {
  assert.deepEqual(
    [1, 1e-3, 1e-6, 1e-9, 0].map((p) => Number(axisFraction(p, true).toFixed(12))),
    [1, 0.5, 0, 0, 0],
  );
  assert.equal(axisFraction(0.3, false), 0.3);
});

test("the middle of a logarithmic axis is the geometric mean of its ends", () => {
  near(placeOnAxis(4, { low: 0.25, high: 64, log: true }), 0.5, 1e-12);
  near(placeOnAxis(4, { low: 0, high: 16, log: false }), 0.25, 1e-12);
});

test("temperatures of the grid have equal ratios and meet both ends", () => {
  const grid = temperatureGrid([0.25, 64]);
  assert.equal(grid.length, 61);
  near(grid[0], 0.25, 1e-12);
  near(grid.at(-1), 64, 1e-9);
  for (let i = 2; i < grid.length; i += 1) near(grid[i] / grid[i - 1], grid[1] / grid[0], 1e-9);
});

test("the temperature axis writes fewer ticks on a narrow screen", () => {
  const texts = (/** @type {boolean} */ isNarrow) => temperatureAxis([0.5, 20], isNarrow).ticks.map(([, text]) => text);
  assert.deepEqual(texts(false), ["0.5", "1", "2", "4", "8", "16"]);
  assert.deepEqual(texts(true), ["1", "4", "16"]);
});

test("a round axis covers its values with three to six equally spaced ticks", () => {
  const next = random(3);
  for (let trial = 0; trial < 500; trial += 1) {
    const high = 10 ** (12 * next() - 6);
    const axis = roundAxis(high);
    const values = axis.ticks.map(([value]) => value);
    assert.equal(values[0], 0);
    assert.ok(axis.high >= high * (1 - 1e-9) && axis.high <= 1.5 * high, `${high}: ${axis.high}`);
    assert.ok(values.length >= 3 && values.length <= 6, `${high}: ${values}`);
    for (let i = 1; i < values.length; i += 1) near(values[i], i * values[1], 1e-9 * axis.high);
  }
  assert.deepEqual(
    roundAxis(0.9).ticks.map(([, text]) => text),
    ["0", "0.25", "0.5", "0.75", "1"],
  );
});

test("the lowest decade stands for everything below it", () => {
  assert.deepEqual(
    decadeTicks(-4, 0).map(([, text]) => text),
    ["≤ 10⁻⁴", "10⁻³", "0.01", "0.1", "1"],
  );
});

test("a round range contains its values and does not change with a point inside it", () => {
  assert.deepEqual(roundRange(0.12, 0.87), [0.1, 0.9]);
  assert.deepEqual(roundRange(13, 87), [10, 90]);
  assert.deepEqual(roundRange(...roundRange(13, 87)), roundRange(13, 87));
});

test("a range of fractions is never narrower than five points nor wider than 0 to 1", () => {
  const [low, high] = fractionRange([0.5, 0.5]);
  assert.ok(low <= 0.45 && high >= 0.55 - 1e-9);
  assert.deepEqual(fractionRange([0, 1]), [0, 1.004]);
  assert.deepEqual(fractionRange([-7, 0.5])[0], -1);
  assert.ok(fractionRange([-0.2, 0.5])[0] < -0.2);
});

test("the ticks of a logarithmic axis lie in its range and are powers of ten where it is wide", () => {
  assert.deepEqual(logTicks([-0.2, 1.1]).ticktext, ["1", "2", "5", "10"]);
  assert.deepEqual(logTicks([-5, 0]).ticktext, ["10⁻⁵", "10⁻⁴", "0.001", "0.01", "0.1", "1"]);
  for (const tick of logTicks([-2, 0.5]).tickvals) assert.ok(Math.log10(tick) >= -2 && Math.log10(tick) <= 0.5);
});

test("values of a panel begin at 0 if they come near it, and negative ones leave a logarithmic axis", () => {
  assert.deepEqual(valueRange([2, 9], {}, false), [0, 9]);
  assert.deepEqual(valueRange([7, 9], {}, false), [7, 9]);
  const [low, high] = valueRange([-1, 0, 0.1, 10], {}, true);
  assert.ok(low < -1 && low > -1.2 && high > 1 && high < 1.2);
  assert.deepEqual(valueRange([], {}, false), [0, 1]);
});

test("labels keep their order and their gap and stay between the ends", () => {
  const next = random(4);
  for (let trial = 0; trial < 200; trial += 1) {
    const wanted = Array.from({ length: 6 }, () => 100 * next());
    const placed = spread(wanted, 12, 0, 100);
    const order = wanted.map((_, i) => i).sort((a, b) => wanted[a] - wanted[b]);
    for (let i = 1; i < order.length; i += 1) assert.ok(placed[order[i]] - placed[order[i - 1]] >= 12 - 1e-9);
    assert.ok(Math.min(...placed) >= -1e-9 && Math.max(...placed) <= 100 + 1e-9);
  }
});

test("labels that have room stay where they are", () => {
  assert.deepEqual(spread([80, 10, 50], 20, 0, 100), [80, 10, 50]);
});
