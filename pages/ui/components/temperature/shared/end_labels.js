// Text labels of a plot.

import { setAttributes } from "../../shared/dom.js";
import { lookUp } from "../../shared/math/collections.js";
import { spread } from "../../shared/math/spread.js";

/** @typedef {import("../../shared/widgets/line_plot.js").LinePlot} LinePlot */

/**
 * Write the names of lines beside their ends, all at the same x.
 * @param {LinePlot} plot
 * @param {number} x
 * @param {{id: string, value: number, glyph: string, lines: string[], colour: string}[]} ends lines: one or two, of text
 */
export function addEndLabels(plot, x, ends) {
  const { y, height } = plot.box;
  const isTall = Math.max(...ends.map(({ lines }) => lines.length)) > 1;
  const preferred = ends.map(({ value }) => plot.y(value));
  const heights = spread(preferred, isTall ? 34 : 19, y + 6, y + height - (isTall ? 12 : 2));
  ends.forEach(({ id, value, glyph, lines, colour }, i) => {
    const dy = heights[i] - plot.y(value);
    plot.text(`end ${id}`, x, value, `${glyph} ${lines[0]}`, { dx: 9, dy, colour });
    if (lines[1]) plot.text(`end of ${id}`, x, value, lines[1], { dx: 25, dy: dy + 15, colour });
  });
}

/**
 * Write a text outlined in the background colour, to be legible over lines.
 * @param {LinePlot} plot
 * @param {{background: string}} theme
 * @param {string} id
 * @param {number} x
 * @param {number} y
 * @param {string} content
 * @param {{anchor?: string, dx?: number, dy?: number, colour?: string}} style
 */
export function addOutlinedText(plot, theme, id, x, y, content, style) {
  plot.text(id, x, y, content, style);
  const outline = { stroke: theme.background, "stroke-width": 3, "stroke-linejoin": "round", "paint-order": "stroke" };
  setAttributes(lookUp(plot.parts, id), outline);
}
