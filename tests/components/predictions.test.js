// Numbers and texts of predictions.

import assert from "node:assert/strict";
import { test } from "node:test";
import { classText, gap, nearest, spread } from "../../pages/ui/components/learn/predictions.js";

test("a prediction is rounded to halves and stays on the axis", () => {
  const rounded = [84.2, 84.3, 59, 101].map((value) => nearest(value, 60, 100));
  assert.deepEqual(rounded, [84, 84.5, 60, 100]);
});

test("a gap says in which direction the prediction was wrong", () => {
  assert.match(gap(80, 85.5), /5\.5 too low/);
  assert.match(gap(90, 85.5), /4\.5 too high/);
  assert.match(gap(85, 85.5), /you were right/);
  assert.equal(gap(undefined, 85), "");
});

test("the marks of a class lie beside each other and inside their column", () => {
  const places = Array.from({ length: 30 }, (_, number) => spread(number, 0.3));
  assert.equal(new Set(places.map((place) => place.toFixed(3))).size, 30);
  assert.ok(places.every((place) => Math.abs(place) <= 0.3));
});

test("a class is described by its mean in every column that it has marked", () => {
  const points = [
    { key: "a", label: "T = 1" },
    { key: "b", label: "T = 4" },
  ];
  assert.deepEqual(classText(points, {}, "%"), []);
  const [text] = classText(points, { a: [80, 90], b: [] }, "%");
  assert.equal(text.replaceAll("\u00a0", " "), "◇ the class expected, on average, T = 1 85.0 %");
});
