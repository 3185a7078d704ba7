import assert from "node:assert/strict";
import { test } from "node:test";
import { noticeAt } from "../../pages/ui/components/temperature/softened/notice.js";

const classes = ["4", "9", "7", "0"];
const at = (
  /** @type {number} */ temperature,
  /** @type {number | null} */ label = 0,
  logits = [9, 4, 2, -3],
  names = classes,
) => noticeAt({ network: "teacher", logits, classes: names, label, temperature });
const softmax = (/** @type {number[]} */ logits, /** @type {number} */ temperature) => {
  const powers = logits.map((logit) => Math.exp(logit / temperature));
  return powers.map((power) => power / powers.reduce((sum, value) => sum + value));
};
const percent = (/** @type {number} */ p) => (100 * p).toFixed(1);

test("at T = 1 the sentence says that the other classes are invisible, with what they get", () => {
  const [top] = softmax([9, 4, 2, -3], 1);
  assert.match(at(1), /^At T = 1, as trained, the teacher puts .* on 4\. .* is invisible: together they get /);
  for (const value of [top, 1 - top]) assert.ok(at(1).includes(percent(value)));
});

test("at a middle T it names the plausible wrong classes, with their probabilities and the entropy", () => {
  const p = softmax([9, 4, 2, -3], 4);
  const entropy = -p.reduce((sum, value) => sum + value * Math.log(value), 0);
  const sentence = at(4);
  for (const value of p) assert.ok(sentence.includes(percent(value)), `${value} in ${sentence}`);
  assert.ok(sentence.includes(`entropy ${entropy.toFixed(2)} of ln 4 = 1.39 nats`));
  assert.match(sentence, /9 \(.*\) and 7 \(.*\) are more plausible to it than 0/);
});

test("at a high T it says that only the order is left", () => {
  assert.match(at(40), /nearly uniform: entropy 1\.3\d of ln 4 = 1\.39 nats.*4 \(.*\) is still first and 0 .* last/);
});

test("a wrong answer is said to be wrong, and without a label nothing is", () => {
  assert.match(at(1, 2), /on 4, which is wrong \(the label is 7\)/);
  assert.doesNotMatch(at(1, 0) + at(1, null), /wrong/);
});

test("two and three classes have sentences that do not compare a class with itself", () => {
  assert.match(at(4, 0, [4, 0], ["A", "B"]), /on A and .* on B: entropy /);
  assert.match(at(4, 0, [4, 2, 0], ["A", "B", "C"]), /B \([^)]*\) is more plausible to it than C/);
});

test("a probability too small for its decimals is not written as none", () => {
  assert.match(at(1, 0, [60, 1, 0, 0]), /together they get <\s0\.1\s%/);
});
