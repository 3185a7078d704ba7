// Which objects of an image were found.

import assert from "node:assert/strict";
import { test } from "node:test";

import { matchBoxes, overlap, placeOf } from "../../pages/ui/components/detection/matching.js";

const found = (/** @type {number[]} */ box, /** @type {number} */ number, score = 0.9) => ({
  box,
  class: number,
  score,
  cell: 0,
});
const LEFT = [0, 0, 0.4, 0.4];
const RIGHT = [0.5, 0.5, 1, 1];

test("the overlap of a box is 1 with itself, 0 with one beside it and a third with one moved by half", () => {
  assert.equal(overlap(LEFT, LEFT), 1);
  assert.equal(overlap(LEFT, RIGHT), 0);
  assert.ok(Math.abs(overlap([0, 0, 1, 1], [0.5, 0, 1.5, 1]) - 1 / 3) < 1e-12);
});

test("an object is found once, by the best box of its class, and every other box is a false alarm", () => {
  const truth = [found(LEFT, 1), found(RIGHT, 2)];
  const boxes = [found(LEFT, 1, 0.6), found(LEFT, 1, 0.8), found(RIGHT, 1, 0.9), found(RIGHT, 2, 0.3)];
  assert.deepEqual(matchBoxes(truth, boxes, 0.5), { finders: [1, -1], falseAlarms: 2 });
  assert.deepEqual(matchBoxes(truth, boxes, 0.2), { finders: [1, 3], falseAlarms: 2 });
  assert.deepEqual(matchBoxes(truth, boxes, 0.95), { finders: [-1, -1], falseAlarms: 0 });
});

test("places are named by thirds of the image", () => {
  assert.equal(placeOf(LEFT), "top left");
  assert.equal(placeOf([0.4, 0.4, 0.6, 0.6]), "middle");
  assert.equal(placeOf([0.8, 0.9, 1, 1]), "bottom right");
  assert.equal(placeOf([0, 0.4, 0.1, 0.6]), "left");
});
