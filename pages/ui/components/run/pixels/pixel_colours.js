// Colours of the pixels of a map, by class, by error and by uncertainty.

import { parseColour } from "../../shared/theme.js";

export const NO_LABEL = 255;
/** Orange where the student alone is right, purple where the baseline alone is, as in the confusion matrices. */
export const BETTER = "#e08214";
export const WORSE = "#8073ac";
export const WRONG = "#d7301f";
/** From sure to unsure, the ends and the middle of matplotlib's "magma". @type {number[][]} */
const UNCERTAINTY = [
  [0, 0, 4],
  [81, 18, 124],
  [183, 55, 121],
  [252, 137, 97],
  [252, 253, 191],
];

/** @param {number} fraction of the largest entropy */
export function uncertaintyColour(fraction) {
  const place = Math.min(0.9999, Math.max(0, fraction)) * (UNCERTAINTY.length - 1);
  const start = Math.floor(place);
  return UNCERTAINTY[start].map((from, i) => Math.round(from + (place - start) * (UNCERTAINTY[start + 1][i] - from)));
}

export const UNCERTAINTY_STOPS = UNCERTAINTY.map((rgb) => `rgb(${rgb.join()})`).join(", ");

/**
 * Return red, green and blue of every class; the first one, mostly the background, is nearly that of the page.
 * @param {import("../../shared/theme.js").Theme} theme
 * @param {number} count
 */
export function classColours(theme, count) {
  return Array.from({ length: count }, (_, k) => parseColour(k ? theme.classColour(k - 1) : theme.rule));
}

/**
 * Draw one colour per pixel.
 * @param {HTMLCanvasElement} canvas
 * @param {number[]} size [width, height]
 * @param {(at: number) => number[]} colour
 */
export function paint(canvas, [width, height], colour) {
  canvas.width = width;
  canvas.height = height;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const image = context.createImageData(width, height);
  for (let at = 0; at < width * height; at += 1) {
    const [red, green, blue] = colour(at);
    image.data.set([red, green, blue, 255], 4 * at);
  }
  context.putImageData(image, 0, 0);
}
