// Small picture of the current input, whatever it is.

import { html, svg } from "../../shared/dom.js";
import { markerPath } from "../../shared/markers.js";

/** @typedef {import("./store.js").TemperatureStore} TemperatureStore */

/**
 * Return a thumbnail of the current input, or its title where it has no picture.
 * @param {TemperatureStore} store
 * @param {import("../../shared/theme.js").Theme} theme
 * @param {number} size
 */
export function inputThumbnail(store, theme, size) {
  const { custom, points, index } = store;
  if (custom?.src) return html("img", { src: custom.src, width: size, alt: "" });
  const point = custom ? custom.point : points?.[index];
  if (points && point) return planeThumbnail(points, point, store.labels, theme, size);
  if (custom) return html("span", {}, custom.title);
  return store.thumbnail(index, size);
}

/**
 * Return a small scatter plot of all examples with a ring around one point.
 * @param {number[][]} points
 * @param {number[]} point
 * @param {number[]} labels
 * @param {import("../../shared/theme.js").Theme} theme
 * @param {number} size
 */
function planeThumbnail(points, point, labels, theme, size) {
  const range = (/** @type {number} */ axis) => {
    const values = [...points, point].map((one) => one[axis]);
    return [Math.min(...values), Math.max(...values)];
  };
  const [[left, right], [low, high]] = [range(0), range(1)];
  const span = Math.max(right - left, high - low) || 1;
  const margin = 5;
  const scale = (size - 2 * margin) / span;
  const at = (/** @type {number[]} */ [x, y]) => [margin + (x - left) * scale, size - margin - (y - low) * scale];
  const dots = points.map((one, i) =>
    svg("path", { d: `M${at(one).join()}${markerPath(labels[i], 1.2)}`, fill: theme.classColour(labels[i]) }),
  );
  const [cx, cy] = at(point);
  const ring = svg("circle", { cx, cy, r: 4, fill: "none", stroke: theme.text, "stroke-width": 2 });
  return svg("svg", { width: size, height: size, viewBox: `0 0 ${size} ${size}`, "aria-hidden": "true" }, dots, ring);
}
