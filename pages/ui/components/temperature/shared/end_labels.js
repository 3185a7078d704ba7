// Texts on a plot: at the ends of its lines, and on the drawing itself.

import { setAttributes } from "../../shared/dom.js";
import { spread } from "../../shared/math/spread.js";

/** @typedef {import("./line_plot.js").LinePlot} LinePlot */

/**
 * Write the names of lines beside their ends, which all have the same x.
 * @param {LinePlot} plot
 * @param {number} x
 * @param {{id: string, value: number, glyph: string, words: string[], colour: string}[]} ends words: one or two lines
 */
export function addEndLabels(plot, x, ends) {
  const { y, height } = plot.box;
  const isTall = Math.max(...ends.map(({ words }) => words.length)) > 1;
  const wanted = ends.map(({ value }) => plot.y(value));
  const heights = spread(wanted, isTall ? 34 : 19, y + 6, y + height - (isTall ? 12 : 2));
  ends.forEach(({ id, value, glyph, words, colour }, i) => {
    const dy = heights[i] - plot.y(value);
    plot.text(`end ${id}`, x, value, `${glyph} ${words[0]}`, { dx: 9, dy, colour });
    if (words[1]) plot.text(`end of ${id}`, x, value, words[1], { dx: 25, dy: dy + 15, colour });
  });
}

/**
 * Write a text that stands out from the lines below it, in an exported drawing as well.
 * @param {LinePlot} plot
 * @param {{background: string}} theme
 * @param {string} id
 * @param {number} x
 * @param {number} y
 * @param {string} words
 * @param {{anchor?: string, dx?: number, dy?: number, colour?: string}} style
 */
export function addOutlinedText(plot, theme, id, x, y, words, style) {
  plot.text(id, x, y, words, style);
  const outline = { stroke: theme.background, "stroke-width": 3, "stroke-linejoin": "round", "paint-order": "stroke" };
  setAttributes(plot.parts.get(id), outline);
}
