// Top-k and top-p, which leave only the most likely classes to draw from (Fan et al. 2018; Holtzman et al. 2020).

/**
 * Return which classes remain, first by top-k, then by top-p among those with their probabilities renormalised.
 * The most likely class always remains; equal probabilities at the limit of top-k all do.
 * @param {number[]} logp log-probabilities at the temperature
 * @param {number} topK number of classes, 0 for all of them
 * @param {number} topP sum of probabilities that the classes must reach, 1 for all of them
 */
export function remaining(logp, topK, topP) {
  const ranked = logp.map((_, k) => k).sort((a, b) => logp[b] - logp[a]);
  const limit = topK > 0 && topK < logp.length ? logp[ranked[topK - 1]] : Number.NEGATIVE_INFINITY;
  const kept = ranked.filter((k) => logp[k] >= limit);
  const total = kept.reduce((sum, k) => sum + Math.exp(logp[k]), 0);
  const result = logp.map(() => false);
  let sum = 0;
  for (const k of kept) {
    if (topP < 1 && sum >= topP) break;
    result[k] = true;
    sum += Math.exp(logp[k]) / total;
  }
  return result;
}

/**
 * Return log-probabilities renormalised over the classes that remain, -Infinity for the others.
 * @param {number[]} logp
 * @param {boolean[]} remains
 */
export function renormalise(logp, remains) {
  const total = logp.reduce((sum, value, k) => sum + (remains[k] ? Math.exp(value) : 0), 0);
  return logp.map((value, k) => (remains[k] ? value - Math.log(total) : Number.NEGATIVE_INFINITY));
}
