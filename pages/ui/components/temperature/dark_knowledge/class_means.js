// Mean probabilities by true class, as matrices (true classes × predicted classes), row by row, and their statistics.

/**
 * Return the mean probabilities of the examples of each class. A class without examples has no means (NaN).
 * @param {ArrayLike<number>} p probabilities (examples × classes)
 * @param {number[]} labels
 * @param {number} count of classes
 */
export function classMeans(p, labels, count) {
  const means = new Float64Array(count * count);
  /** @type {number[]} */
  const counts = new Array(count).fill(0);
  labels.forEach((label, i) => {
    counts[label] += 1;
    for (let k = 0; k < count; k += 1) means[label * count + k] += p[i * count + k];
  });
  for (let at = 0; at < means.length; at += 1) means[at] /= counts[Math.floor(at / count)];
  return { means, counts };
}

/**
 * Return the largest and the smallest positive magnitude of a matrix without its NaN cells.
 * @param {ArrayLike<number>} values
 * @param {number} count
 * @param {boolean} withDiagonal
 */
export function magnitudeRange(values, count, withDiagonal) {
  let [max, min] = [0, Number.POSITIVE_INFINITY];
  for (let at = 0; at < values.length; at += 1) {
    if (!withDiagonal && at % (count + 1) === 0) continue;
    const size = Math.abs(values[at]);
    if (size > max && size < Number.POSITIVE_INFINITY) max = size;
    if (size > 0 && size < min) min = size;
  }
  return { max, min };
}

/**
 * Return the positions of the largest cells off the diagonal in descending order.
 * @param {ArrayLike<number>} values
 * @param {number} count
 * @param {number} number
 */
export function largestOffDiagonal(values, count, number) {
  /** @type {number[]} */
  const positions = [];
  for (let at = 0; at < values.length; at += 1) {
    if (at % (count + 1) === 0 || !(values[at] > (values[positions[number - 1]] ?? -1))) continue;
    positions.splice(positions.findLastIndex((other) => values[other] >= values[at]) + 1, 0, at);
    positions.length = Math.min(positions.length, number);
  }
  return positions;
}

/**
 * Return the mean absolute difference of two matrices off the diagonal.
 * @param {ArrayLike<number>} first
 * @param {ArrayLike<number>} second
 * @param {number} count
 */
export function meanDistance(first, second, count) {
  let [sum, cells] = [0, 0];
  for (let at = 0; at < first.length; at += 1) {
    if (at % (count + 1) === 0 || Number.isNaN(first[at])) continue;
    sum += Math.abs(first[at] - second[at]);
    cells += 1;
  }
  return sum / cells;
}
