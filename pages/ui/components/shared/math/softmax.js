// Softmax with temperature, entropy and KL divergence in float64, in nats.

/**
 * Return log-probabilities of K logits at a temperature.
 * @param {number[]} logits
 * @param {number} [temperature]
 */
export function logSoftmax(logits, temperature = 1) {
  const scaled = logits.map((logit) => logit / temperature);
  const top = Math.max(...scaled);
  const normaliser = top + Math.log(scaled.reduce((sum, value) => sum + Math.exp(value - top), 0));
  return scaled.map((value) => value - normaliser);
}

/**
 * @param {number[]} logits
 * @param {number} [temperature]
 */
export const softmax = (logits, temperature = 1) => logSoftmax(logits, temperature).map(Math.exp);

/**
 * Return the logarithms of the probabilities of yes to each of K classes at a temperature.
 * @param {number[]} logits
 * @param {number} [temperature]
 */
export const logSigmoid = (logits, temperature = 1) =>
  logits.map((logit) => Math.min(logit, 0) / temperature - Math.log1p(Math.exp(-Math.abs(logit) / temperature)));

/** @param {number} logp */
const logOfNo = (logp) => (logp === 0 ? Number.NEGATIVE_INFINITY : Math.log(-Math.expm1(logp)));

/**
 * Return p · value, which is 0 for p = 0 whatever the value.
 * @param {number} logp
 * @param {number} value
 */
const times = (logp, value) => (logp === Number.NEGATIVE_INFINITY ? 0 : Math.exp(logp) * value);

/**
 * Return the sum of the entropies in nats of answers of yes or no, given as log-probabilities of yes.
 * @param {number[]} logp
 */
export const entropyOfAnswers = (logp) =>
  logp.reduce((sum, yes) => sum - times(yes, yes) - times(logOfNo(yes), logOfNo(yes)), 0);

/**
 * Return the sum of KL(p ‖ q) in nats over answers of yes or no, from log-probabilities of yes.
 * @param {number[]} logp
 * @param {number[]} logq
 */
export const divergenceOfAnswers = (logp, logq) =>
  logp.reduce((sum, yes, i) => {
    const no = logOfNo(yes);
    return sum + times(yes, yes - logq[i]) + times(no, no - logOfNo(logq[i]));
  }, 0);

/**
 * Return the entropy in nats of a distribution given as log-probabilities.
 * @param {number[]} logp
 */
export const entropy = (logp) =>
  logp.reduce((sum, value) => sum - (value === Number.NEGATIVE_INFINITY ? 0 : Math.exp(value) * value), 0);

/**
 * Return KL(p ‖ q) in nats from log-probabilities, so that a probability of 1e-300 is still exact.
 * @param {number[]} logp
 * @param {number[]} logq
 */
export const klDivergence = (logp, logq) =>
  logp.reduce((sum, value, i) => sum + Math.exp(value) * (value - logq[i]), 0);

/**
 * Return probabilities and log-probabilities of N rows of K logits.
 * @param {Float32Array | number[]} logits N × K, row by row
 * @param {number} count K
 * @param {number} temperature
 * @returns {{p: Float64Array, logp: Float64Array}}
 */
export function softmaxRows(logits, count, temperature) {
  const [p, logp] = [new Float64Array(logits.length), new Float64Array(logits.length)];
  for (let start = 0; start < logits.length; start += count) {
    let top = Number.NEGATIVE_INFINITY;
    for (let at = start; at < start + count; at += 1) if (logits[at] > top) top = logits[at];
    let sum = 0;
    for (let at = start; at < start + count; at += 1) {
      logp[at] = (logits[at] - top) / temperature;
      p[at] = Math.exp(logp[at]); // one exponential per number, since they take most of the time
      sum += p[at];
    }
    const normaliser = Math.log(sum);
    for (let at = start; at < start + count; at += 1) {
      p[at] /= sum;
      logp[at] -= normaliser;
    }
  }
  return { p, logp };
}

/**
 * Return the position, counted from `start`, of the largest of `count` values.
 * @param {ArrayLike<number>} values
 * @param {number} [start]
 * @param {number} [count]
 */
export function argmax(values, start = 0, count = values.length) {
  let best = start;
  for (let at = start + 1; at < start + count; at += 1) if (values[at] > values[best]) best = at;
  return best - start;
}

/**
 * Return the odds (1 − p) / p against the class with the largest logit, where p is its probability.
 * They stay exact for a probability near 1, where 1 − p does not.
 * @param {number} top position of the largest logit in its row
 * @param {ArrayLike<number>} logits
 * @param {number} start start of the row
 * @param {number} count length of the row
 * @param {number} temperature
 */
export function oddsAgainstTop(top, logits, start, count, temperature) {
  const highest = logits[start + top] / temperature;
  let sum = 0;
  for (let k = 0; k < count; k += 1) if (k !== top) sum += Math.exp(logits[start + k] / temperature - highest);
  return sum;
}
