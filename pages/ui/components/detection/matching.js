// Boxes as [x0, y0, x1, y1], their overlap, and which objects of an image were found.

/** @typedef {{box: number[], class: number, score: number, cell: number}} Found */

/**
 * Return the intersection over union of two boxes.
 * @param {number[]} first
 * @param {number[]} second
 */
export function overlap(first, second) {
  const width = Math.min(first[2], second[2]) - Math.max(first[0], second[0]);
  const height = Math.min(first[3], second[3]) - Math.max(first[1], second[1]);
  if (width <= 0 || height <= 0) return 0;
  const area = (/** @type {number[]} */ [x0, y0, x1, y1]) => (x1 - x0) * (y1 - y0);
  return (width * height) / (area(first) + area(second) - width * height);
}

/**
 * Return by object the position of the box that found it, or -1, and the number of boxes that found none. From the best
 * score on, a box finds the object of its class that it overlaps most and at least by half, and that is still free.
 * @param {Found[]} truth
 * @param {Found[]} found
 * @param {number} threshold least score
 */
export function matchBoxes(truth, found, threshold) {
  const finders = truth.map(() => -1);
  let falseAlarms = 0;
  const order = found.map((_, position) => position).sort((a, b) => found[b].score - found[a].score);
  for (const position of order) {
    const one = found[position];
    if (one.score < threshold) continue;
    let best = -1;
    let most = 0.5;
    truth.forEach((object, number) => {
      const common = overlap(object.box, one.box);
      if (finders[number] < 0 && object.class === one.class && common >= most) [best, most] = [number, common];
    });
    if (best < 0) falseAlarms += 1;
    else finders[best] = position;
  }
  return { finders, falseAlarms };
}

/**
 * Return where in an image the centre of a box lies, such as "top left".
 * @param {number[]} box
 */
export function placeOf([x0, y0, x1, y1]) {
  const part = (/** @type {number} */ place, /** @type {string[]} */ names) =>
    names[Math.min(2, Math.floor(place * 3))];
  const vertical = part((y0 + y1) / 2, ["top", "", "bottom"]);
  const horizontal = part((x0 + x1) / 2, ["left", "", "right"]);
  return [vertical, horizontal].filter(Boolean).join(" ") || "middle";
}
