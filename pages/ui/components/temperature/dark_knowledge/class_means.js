// Sums over matrices (classes × classes), row by row: true classes downwards, answered classes to the right.

// Row c: the mean answer to the examples with label c. A class without examples has no means (NaN).
function meanAnswers(p, labels, count) {
  const means = new Float64Array(count * count);
  const counts = new Array(count).fill(0);
  labels.forEach((label, i) => {
    counts[label] += 1;
    for (let k = 0; k < count; k += 1) means[label * count + k] += p[i * count + k];
  });
  for (let at = 0; at < means.length; at += 1) means[at] /= counts[Math.floor(at / count)];
  return { means, counts };
}
// The largest size and the smallest positive one of what is shown; cells without a number do not count.
function extent(values, count, diagonal) {
  let [most, least] = [0, Infinity];
  for (let at = 0; at < values.length; at += 1) {
    if (!diagonal && at % (count + 1) === 0) continue;
    const size = Math.abs(values[at]);
    if (size > most && size < Infinity) most = size;
    if (size > 0 && size < least) least = size;
  }
  return { most, least };
}
// Positions of the largest cells off the diagonal.
function largest(values, count, wanted) {
  const found = [];
  for (let at = 0; at < values.length; at += 1) {
    if (at % (count + 1) === 0 || !(values[at] > (values[found[wanted - 1]] ?? -1))) continue;
    found.splice(found.findLastIndex((other) => values[other] >= values[at]) + 1, 0, at);
    found.length = Math.min(found.length, wanted);
  }
  return found;
}
// Mean size of the differences off the diagonal.
function distance(some, others, count) {
  let [sum, cells] = [0, 0];
  for (let at = 0; at < some.length; at += 1) {
    if (at % (count + 1) === 0 || Number.isNaN(some[at])) continue;
    sum += Math.abs(some[at] - others[at]);
    cells += 1;
  }
  return sum / cells;
}
