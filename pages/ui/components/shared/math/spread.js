// Placement of labels that must not overlap.

/**
 * Return heights as near as possible to those wanted, each at least `gap` from the next and all between low and high.
 * Labels are moved from the low end up, then back from the high end where it was passed.
 * @param {number[]} wanted
 * @param {number} gap
 * @param {number} low
 * @param {number} high
 */
export function spread(wanted, gap, low, high) {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a] - wanted[b]);
  const placed = [...wanted];
  order.forEach((i, at) => {
    placed[i] = Math.max(placed[i], at ? placed[order[at - 1]] + gap : low);
  });
  order.reverse().forEach((i, at) => {
    placed[i] = Math.min(placed[i], at ? placed[order[at - 1]] - gap : high);
  });
  return placed;
}
