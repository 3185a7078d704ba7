import assert from "node:assert/strict";
import { test } from "node:test";
import { assignLanes } from "../../pages/ui/components/plan/list_layout.js";
import { contour } from "../../pages/ui/components/run/surfaces/probability_field.js";
import { percentTicks } from "../../pages/ui/components/shared/math/scales.js";
import palette from "../../pages/ui/components/shared/palette.js";
import {
  LossCurve,
  lossAxis,
  reliability,
} from "../../pages/ui/components/temperature/calibration/calibration_metrics.js";
import {
  classMeans,
  largestOffDiagonal,
  magnitudeRange,
  meanDistance,
} from "../../pages/ui/components/temperature/dark_knowledge/class_means.js";
import {
  formatPoints,
  formatProbability,
} from "../../pages/ui/components/temperature/dark_knowledge/format_probability.js";
import { colourRamp, colourScale } from "../../pages/ui/components/temperature/dark_knowledge/heat_scale.js";
import { GalleryFilter } from "../../pages/ui/components/temperature/gallery/gallery_filter.js";
import { csvText } from "../../pages/ui/components/temperature/shared/figure.js";
import { rowsOf } from "../../pages/ui/components/temperature/target_sources/distribution_lanes.js";
import { near } from "./near.js";

const parseHex = (/** @type {string} */ colour) => [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));

test("a colour ramp meets its stops and mixes between them", () => {
  const { pixels } = colourRamp(palette.sequential, parseHex);
  const rgb = (/** @type {number} */ i) => [pixels[i] & 255, (pixels[i] >>> 8) & 255, (pixels[i] >>> 16) & 255];
  assert.deepEqual([rgb(0), rgb(255)], [parseHex(palette.sequential[0]), parseHex(palette.sequential.at(-1) ?? "")]);
  assert.ok(pixels.every((pixel) => pixel >>> 24 === 255));
  const grey = colourRamp(["#000000", "#ffffff"], parseHex).pixels;
  assert.ok(grey.every((pixel, i) => (pixel & 255) === i));
});

test("a heat scale maps its ends to 0 and 1, and what is no number to nothing", () => {
  const linear = colourScale({ low: -2, high: 2 });
  assert.deepEqual([-2, 0, 2].map(linear), [0, 0.5, 1]);
  const log = colourScale({ low: 1e-4, high: 1, log: true });
  near(log(1e-2), 0.5, 1e-12);
  assert.equal(log(0), 0);
  assert.ok(Number.isNaN(log(Number.NaN)) && Number.isNaN(linear(Number.NaN)));
  assert.equal(colourScale({ low: 1, high: 1 })(1), 0);
});

test("class means average the probabilities of each class, and a class without examples has none", () => {
  const { means, counts } = classMeans([0.5, 0.5, 0, 0.1, 0.9, 0, 0.2, 0.3, 0.5], [0, 0, 1], 3);
  assert.deepEqual(counts, [2, 1, 0]);
  [0.3, 0.7, 0, 0.2, 0.3, 0.5].forEach((value, i) => {
    near(means[i], value, 1e-15);
  });
  assert.ok(means.slice(6).every(Number.isNaN));
});

test("numbers of a matrix leave out its diagonal where they should", () => {
  const values = [9, -0.2, 0.4, 0.1, 8, Number.NaN, 0.3, 0, 7];
  assert.deepEqual(magnitudeRange(values, 3, true), { max: 9, min: 0.1 });
  assert.deepEqual(magnitudeRange(values, 3, false), { max: 0.4, min: 0.1 });
  assert.deepEqual(largestOffDiagonal(values, 3, 2), [2, 6]);
  near(meanDistance([9, 1, 2, 9], [0, 3, 1, 0], 2), 1.5, 1e-15);
});

test("probabilities keep their digits where they are small", () => {
  assert.deepEqual([0, 1, 0.5, 0.00123, Number.NaN].map(formatProbability), [
    "0\u00a0%",
    "100\u00a0%",
    "50.0\u00a0%",
    "0.123\u00a0%",
    "–",
  ]);
  assert.deepEqual([0.0312, -0.0312, 0].map(formatPoints), ["+3.12", "−3.12", "0"]);
});

test("reliability sorts examples into bins by confidence and adds up the gaps", () => {
  // Confidences 0.75, 0.75 and 0.6 of two classes: right, wrong, right.
  const row = (/** @type {number} */ p) => [Math.log(p), Math.log(1 - p)];
  const { bins, total } = reliability([...row(0.75), ...row(0.75), ...row(0.6)], [0, 1, 0], 2, 1, 4);
  assert.deepEqual(
    bins.map(({ count }) => count),
    [0, 0, 3, 0],
  );
  near(total.accuracy, 2 / 3, 1e-12);
  near(total.confidence, 0.7, 1e-12);
  near(total.error, Math.abs(2 / 3 - 0.7), 1e-12);
  assert.equal(reliability([Number.NaN, 0], [0], 2, 1, 4).total.count, 0);
});

test("the loss curve is the mean negative log-likelihood, lowest at the temperature that fits", () => {
  // 90 of 100 examples agree with logits that claim 99.9 %: softened to 90 %, they are calibrated.
  const gap = Math.log(999);
  const labels = Array.from({ length: 100 }, (_, i) => Number(i >= 90));
  const curve = new LossCurve(
    labels.flatMap(() => [gap, 0]),
    labels,
    2,
    [0.5, 32],
  ).advance(Infinity);
  const best = gap / Math.log(9);
  near(curve.at(best), -(0.9 * Math.log(0.9) + 0.1 * Math.log(0.1)), 1e-12);
  assert.ok(curve.isComplete && curve.losses.every((loss) => loss >= curve.at(best)));
  const axis = lossAxis(curve.losses);
  assert.ok(axis.low < Math.min(...curve.losses) && axis.high > Math.max(...curve.losses));
});

test("the gallery's filters are those of a search through all examples", () => {
  const logits = { teacher: new Float32Array([3, 0, 0, 2, 1, 0]), student: new Float32Array([0, 3, 0, 2, 1, 0]) };
  const labels = [0, 1, 1];
  const store = {
    logits: (/** @type {"teacher" | "student"} */ role) => logits[role],
    splits: { test: { labels } },
    split: "test",
    classes: ["a", "b"],
    labels,
  };
  const filter = new GalleryFilter();
  assert.equal(filter.update(store), true);
  assert.equal(filter.update(store), false);
  assert.deepEqual(filter.topClasses, { teacher: [0, 1, 0], student: [1, 1, 0] });
  assert.deepEqual(filter.lists, { all: [0, 1, 2], unsure: [2], student_wrong: [0, 2], disagree: [0] });
});

test("of many classes the label and the teacher's likeliest have rows of their own", () => {
  const classes = Array.from({ length: 20 }, (_, k) => `c${k}`);
  const rows = rowsOf(
    classes,
    3,
    classes.map((_, k) => k),
  );
  assert.deepEqual(rows.map(({ name }) => name).slice(0, 3), ["c3", "c19", "c18"]);
  assert.equal(rows.at(-1).name, "10 others");
  assert.deepEqual(
    rows.flatMap(({ members }) => members).sort((a, b) => a - b),
    classes.map((_, k) => k),
  );
  assert.equal(rowsOf(classes.slice(0, 5), 3, null).length, 5);
});

test("a table is CSV that a spreadsheet neither splits nor runs", () => {
  const rows = [
    ["=1+1", 'a "b", c'],
    [-1.5, "-x"],
  ];
  assert.equal(csvText({ columns: ["x", "y"], rows }), `x,y\n'=1+1,"a ""b"", c"\n-1.5,'-x\n`);
});

test("the contour of a tilted plane is the line where it is zero", () => {
  const size = 9;
  const values = Array.from({ length: size * size }, (_, i) => (i % size) - 0.5 * Math.floor(i / size) - 2.3);
  const segments = contour(values, size);
  assert.ok(segments.length >= size - 1);
  for (const [ax, ay, bx, by] of segments)
    for (const [x, y] of [
      [ax, ay],
      [bx, by],
    ])
      near(x - 0.5 * y, 2.3, 1e-9);
});

test("lines that overlap run in lanes of their own", () => {
  const position = new Map(["a", "b", "c", "d"].map((id, i) => [id, i]));
  const edge = (/** @type {string} */ from, /** @type {string} */ to) => ({
    kind: "teaches",
    from: [from],
    to,
    label: "",
  });
  const { lines, count } = assignLanes([edge("a", "b"), edge("c", "d"), edge("b", "d")], position);
  assert.equal(count, 2);
  const inLane = (/** @type {number} */ lane) =>
    lines.filter((line) => line.lane === lane).map(({ ids }) => ids.join(""));
  assert.deepEqual([inLane(0), inLane(1)], [["ab", "cd"], ["bd"]]);
});

test("ticks of percentages are round, at most five, and within the axis", () => {
  const space = "\u00a0";
  assert.deepEqual(
    percentTicks([0, 1]).ticktext,
    ["0", "25", "50", "75", "100"].map((text) => `${text}${space}%`),
  );
  assert.deepEqual(
    percentTicks([0.93, 0.999]).tickvals.map((y) => Number(y.toFixed(4))),
    [0.94, 0.96, 0.98],
  );
  assert.deepEqual(percentTicks([0.981, 0.9845]).ticktext, [
    `98.1${space}%`,
    `98.2${space}%`,
    `98.3${space}%`,
    `98.4${space}%`,
  ]);
});
