// Texts, paths and types that both layouts of a plan use.

import { last } from "../shared/math/collections.js";
import { textWidth, withoutBreaks, wrapText } from "../shared/text.js";

/**
 * @typedef {{
 *   id: string,
 *   role: string,
 *   kind: string,
 *   style_role: string,
 *   network: string,
 *   state: string,
 *   data: string,
 *   teaching: string,
 *   lane: "base" | "main" | "made" | "baseline",
 *   self_taught: boolean,
 *   stack: string,
 * }} PlanNode data: what it is trained on; teaching: its
 *   teachers and method; self_taught: without another network; stack: the number of similar networks, if several
 * @typedef {{kind: "teaches" | "continues" | "combines" | "shares", from: string[], to: string, label: string}} Edge
 * @typedef {{sentence: string, columns: {title: string, note: string, nodes: PlanNode[]}[], edges: Edge[]}} Plan
 * @typedef {{
 *   font: (size: number, weight?: number) => string,
 *   glyph: (node: PlanNode) => string,
 *   colour: (node: PlanNode) => string,
 *   neutral: string,
 * }} Style neutral: the colour of lines that belong to several networks
 * @typedef {number[]} Point
 * @typedef {{
 *   node: PlanNode,
 *   x: number,
 *   y: number,
 *   width: number,
 *   height: number,
 *   title: string[],
 *   rest: string[],
 *   column?: number,
 *   anchor?: string,
 * }} Box
 * @typedef {{x: number, y: number, back: boolean}} ArrowHead back: it points to the left
 * @typedef {{kind: Edge["kind"], d: string, colour?: string, ends: ArrowHead[]}} Line
 * @typedef {{x: number, y: number, anchor: string, lines: string[]}} Label
 * @typedef {{
 *   width: number,
 *   height: number,
 *   headings: (Label & {title: string})[],
 *   boxes: Box[],
 *   lines: Line[],
 *   labels: Label[],
 * }} Layout
 */

export const ROW_HEIGHT = 15; // of text
export const LABEL_ROW = 14; // of the label of a line

/**
 * Return the lines of text of a box, with its name, network, state, data and, where no line shows them, its teachers.
 * @param {PlanNode} node
 * @param {number} width
 * @param {Style} style
 * @param {boolean} isList
 */
export function boxText(node, width, { font, glyph }, isList) {
  const mark = glyph(node) ? `${glyph(node)}\u00a0` : "";
  const title = wrapText(`${mark}${node.role.replaceAll(" ", "\u00a0")}`, font(13, 600), width, 2);
  const state = [node.network, node.state].filter(Boolean).join(" · ");
  const about = textWidth(state, font(12)) <= width ? [state] : [node.network, node.state];
  const by = isList
    ? node.teaching && `from ${node.teaching}`
    : node.self_taught && node.teaching.replace(/^.*through /, "");
  const texts = [...about, node.stack, node.data, by].filter((text) => typeof text === "string" && text);
  const rest = texts.flatMap((text) => wrapText(withoutBreaks(String(text)), font(12), width, 3));
  return { title, rest, height: 14 + ROW_HEIGHT * (title.length + rest.length) };
}

/**
 * Return a path through points with rounded corners.
 * @param {Point[]} points
 * @param {number} [radius]
 */
export function roundedPath(points, radius = 8) {
  const near = (/** @type {Point} */ from, /** @type {Point} */ to) => {
    const length = Math.hypot(to[0] - from[0], to[1] - from[1]) || 1;
    const fraction = Math.min(radius, length / 2) / length;
    return [from[0] + fraction * (to[0] - from[0]), from[1] + fraction * (to[1] - from[1])];
  };
  const corner = (/** @type {Point} */ point, /** @type {number} */ i) =>
    `L${near(point, points[i])}Q${point} ${near(point, points[i + 2])}`;
  return `M${points[0]}${points.slice(1, -1).map(corner).join("")}L${last(points)}`;
}

/**
 * Return the arrow head at the end of a path.
 * @param {Point[]} points
 * @returns {ArrowHead}
 */
export const arrowHead = (points) => ({
  x: last(points)[0],
  y: last(points)[1],
  back: last(points)[0] < points[points.length - 2][0],
});

/** @param {{y: number, height: number}} box */
export const centreY = ({ y, height }) => y + height / 2;
