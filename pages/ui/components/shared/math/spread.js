// Placement of labels that must not overlap.

/**
 * Return positions near the preferred ones, each at least `gap` from the next and all between low and high.
 * Labels are moved up from the low end, then down from the high end where they exceed it.
 * @param {number[]} preferred
 * @param {number} gap
 * @param {number} low
 * @param {number} high
 */
export function spread(preferred, gap, low, high) {
  const order = preferred.map((_, i) => i).sort((a, b) => preferred[a] - preferred[b]);
  const placed = [...preferred];
  order.forEach((i, at) => {
    placed[i] = Math.max(placed[i], at ? placed[order[at - 1]] + gap : low);
  });
  order.reverse().forEach((i, at) => {
    placed[i] = Math.min(placed[i], at ? placed[order[at - 1]] - gap : high);
  });
  return placed;
}
