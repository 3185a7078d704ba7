import assert from "node:assert/strict";
import { test } from "node:test";
import {
  fromText,
  GRID,
  MAX_LENGTH,
  Strokes,
  simplify,
  toText,
} from "../../pages/ui/components/temperature/drawing/strokes.js";
import { near, random } from "./near.js";

/** Distance of a point to a line of segments, by sampling each segment densely. */
function distanceToLine(/** @type {number[]} */ [x, y], /** @type {number[][]} */ line) {
  let least = Infinity;
  for (let i = 1; i < line.length; i += 1) {
    for (let t = 0; t <= 1; t += 0.01) {
      const px = line[i - 1][0] + t * (line[i][0] - line[i - 1][0]);
      const py = line[i - 1][1] + t * (line[i][1] - line[i - 1][1]);
      least = Math.min(least, Math.hypot(px - x, py - y));
    }
  }
  return least;
}

test("a drawing survives its text", () => {
  const next = random(5);
  const cell = () => Math.floor(GRID * next());
  const strokes = Array.from({ length: 4 }, () => Array.from({ length: 9 }, () => [cell(), cell()]));
  assert.deepEqual(fromText(toText(strokes)), strokes);
  assert.match(toText(strokes), /^[\w.-]+$/);
});

test("what is no drawing has no strokes", () => {
  for (const text of ["", "A", "AAA", "AA..AA", "AA.", "A!", "ÄÄ"]) assert.deepEqual(fromText(text), []);
});

test("a simplified stroke keeps its ends and stays within the tolerance of every point", () => {
  const next = random(6);
  for (let trial = 0; trial < 20; trial += 1) {
    let [x, y] = [32, 32];
    const points = Array.from({ length: 60 }, () => {
      x = Math.max(0, Math.min(63, x + Math.round(3 * next() - 1.2)));
      y = Math.max(0, Math.min(63, y + Math.round(3 * next() - 1.4)));
      return [x, y];
    });
    const line = simplify(points);
    assert.ok(line.length <= points.length);
    assert.deepEqual([line[0], line.at(-1)], [points[0], points.at(-1)]);
    for (const point of points) assert.ok(distanceToLine(point, line) <= 0.62);
  }
});

test("a straight stroke is two points", () => {
  assert.deepEqual(
    simplify([
      [0, 0],
      [5, 5],
      [9, 9],
      [20, 20],
    ]),
    [
      [0, 0],
      [20, 20],
    ],
  );
});

test("the pen of the keyboard draws, and the grid is its end", () => {
  const drawing = new Strokes();
  assert.equal(drawing.togglePen(), "pen down");
  for (let i = 0; i < 50; i += 1) drawing.move([1, 0], false);
  assert.equal(drawing.togglePen(), "pen up");
  assert.deepEqual(fromText(drawing.text), [
    [
      [32, 32],
      [63, 32],
    ],
  ]);
  drawing.undo();
  assert.ok(drawing.isEmpty);
});

test("a drawing never grows beyond what fits into a link, and says so", () => {
  const next = random(7);
  const drawing = new Strokes();
  for (let stroke = 0; stroke < 400 && !drawing.isFull; stroke += 1) {
    drawing.begin([next(), next()]);
    for (let i = 0; i < 20; i += 1) drawing.extend([next(), next()]);
    drawing.end();
    assert.ok(drawing.text.length <= MAX_LENGTH);
  }
  assert.ok(drawing.isFull);
  near(drawing.text.length, MAX_LENGTH, 60);
});
