import assert from "node:assert/strict";
import { test } from "node:test";
import {
  argmax,
  divergenceOfAnswers,
  entropy,
  entropyOfAnswers,
  klDivergence,
  logSigmoid,
  logSoftmax,
  oddsAgainstTop,
  softmax,
  softmaxRows,
} from "../../pages/ui/components/shared/math/softmax.js";
import { near } from "./near.js";

const LOGITS = [2, -1, 0.5, 3.25];

test("softmax divides exponentials of logits over T by their sum", () => {
  for (const temperature of [0.5, 1, 4, 64]) {
    const exponentials = LOGITS.map((logit) => Math.exp(logit / temperature));
    const sum = exponentials.reduce((a, b) => a + b, 0);
    softmax(LOGITS, temperature).forEach((p, k) => {
      near(p, exponentials[k] / sum, 1e-14);
    });
  }
});

test("log-softmax is exact where exponentials overflow or vanish", () => {
  assert.deepEqual(logSoftmax([1000, 0]), [0, -1000]);
  near(logSoftmax([-1e5, -1e5])[0], -Math.log(2), 1e-10);
});

test("the entropy of a uniform distribution is ln K and that of a certain one is 0", () => {
  near(entropy(logSoftmax(new Array(10).fill(3))), Math.log(10), 1e-12);
  assert.equal(entropy([0, -Infinity, -Infinity]), 0);
});

test("entropy and KL are those of scipy.stats.entropy", () => {
  const [p, q] = [
    [0.7, 0.2, 0.1],
    [0.5, 0.25, 0.25],
  ].map((values) => values.map(Math.log));
  near(entropy(p), 0.8018185525433373, 1e-14);
  near(klDivergence(p, q), 0.09927278218459168, 1e-14);
});

test("KL stays exact for a probability of 1e-300", () => {
  const p = [Math.log1p(-1e-3), Math.log(1e-3)];
  const q = [0, Math.log(1e-300)];
  near(klDivergence(p, q), 1e-3 * (Math.log(1e-3) - Math.log(1e-300)) + (1 - 1e-3) * Math.log1p(-1e-3), 1e-12);
});

test("rows are softened one by one", () => {
  const { p, logp } = softmaxRows(new Float32Array([...LOGITS, 1, 1, 1, 1]), 4, 2);
  softmax(LOGITS, 2).forEach((value, k) => {
    near(p[k], value, 1e-14);
    near(logp[k], Math.log(value), 1e-14);
  });
  assert.deepEqual([...p.slice(4)], [0.25, 0.25, 0.25, 0.25]);
});

test("argmax gives the first of the largest values, counted from the start of its row", () => {
  assert.equal(argmax([1, 3, 3, 2]), 1);
  assert.equal(argmax([9, 1, 2, 5, 4], 1, 3), 2);
});

test("the odds against the top class are (1 − p) / p, also where p rounds to 1", () => {
  const [top] = softmax([3, 1, 0], 2);
  near(oddsAgainstTop(0, [3, 1, 0], 0, 3, 2), (1 - top) / top, 1e-14);
  near(oddsAgainstTop(0, [100, 0], 0, 2, 1), Math.exp(-100), 1e-57);
});

test("a yes or no has the probability of a softmax of 0 and the logit", () => {
  for (const temperature of [0.5, 1, 4]) {
    logSigmoid([-40, -1, 0, 3.5, 900], temperature).forEach((logp, k) => {
      near(logp, logSoftmax([0, [-40, -1, 0, 3.5, 900][k]], temperature)[1], 1e-14);
    });
  }
});

test("entropy and KL of answers are sums over pairs of yes and no", () => {
  const [s, t] = [
    [-1, 2],
    [0.5, 3],
  ];
  const pairs = (logits) => logits.map((logit) => logSoftmax([0, logit]));
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  near(entropyOfAnswers(logSigmoid(t)), sum(pairs(t).map(entropy)), 1e-12);
  const expected = sum(pairs(t).map((pair, k) => klDivergence(pair, pairs(s)[k])));
  near(divergenceOfAnswers(logSigmoid(t), logSigmoid(s)), expected, 1e-12);
  assert.equal(entropyOfAnswers([0, -Infinity]), 0);
});
