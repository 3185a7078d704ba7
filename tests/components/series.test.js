import assert from "node:assert/strict";
import { test } from "node:test";
import { Series } from "../../pages/ui/components/run/curves/series.js";
import { random } from "./near.js";

const ramp = (/** @type {number} */ count) => Array.from({ length: count }, (_, i) => i);

test("points that are not finite are left out", () => {
  const series = new Series();
  series.append([0, 1, 2, 3], [1, Number.NaN, Infinity, 4]);
  assert.deepEqual(
    [series.x, series.y],
    [
      [0, 3],
      [1, 4],
    ],
  );
  assert.deepEqual(series.last, { x: 3, y: 4 });
});

test("the nearest point is that of a search through all points", () => {
  const next = random(2);
  const series = new Series();
  const x = ramp(50).map((i) => i + 0.8 * next());
  series.append(x, x);
  for (let trial = 0; trial < 200; trial += 1) {
    const target = 60 * next() - 5;
    const distances = x.map((value) => Math.abs(value - target));
    assert.equal(series.nearest(target), distances.indexOf(Math.min(...distances)));
  }
});

test("the values within a range include the neighbours where the line enters and leaves", () => {
  const series = new Series();
  series.append(
    ramp(10),
    ramp(10).map((i) => 10 * i),
  );
  assert.deepEqual(series.within([3.5, 5]), [30, 40, 50, 60]);
  assert.deepEqual(series.within([-5, 0.5]), [0, 10]);
  assert.deepEqual(series.within([20, 30]), []);
});
