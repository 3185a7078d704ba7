// Scatter plot of 2-D examples, with those filtered out drawn faintly. An element over the drawing handles clicks and
// keys.

import { html, setAttributes, svg } from "../../shared/dom.js";
import { markerGlyph, markerPath } from "../../shared/markers.js";
import { roundAxis } from "../../shared/math/scales.js";
import palette from "../../shared/palette.js";
import { LinePlot } from "../../shared/widgets/line_plot.js";
import { Figure } from "../shared/figure.js";

export class GalleryScatter {
  /** @type {number[][]} */
  points = [];
  /** @type {number[]} */
  list = [];

  /**
   * @param {(position: number) => void} onPick called with a position in the filtered list
   * @param {(event: KeyboardEvent) => void} onKey
   * @param {() => import("../shared/figure.js").Table} table
   */
  constructor(onPick, onKey, table) {
    this.figure = new Figure("examples", table);
    this.plot = new LinePlot(this.figure.chart);
    this.marks = svg("g");
    const circles = ["dst-ring dst-ring-edge", "dst-ring"].map((name) => svg("circle", { r: 9, class: name }));
    this.ring = svg("g", {}, circles);
    this.figure.chart.append(this.marks, this.ring);
    const slider = { role: "slider", tabindex: 0, "aria-label": "Chosen point", "aria-valuemin": 1, onkeydown: onKey };
    this.pointSlider = html("div", { class: "dst-point-slider", ...slider });
    this.pointSlider.addEventListener("click", ({ offsetX, offsetY }) => {
      const distances = this.list.map((i) => {
        const [x, y] = this.points[i];
        return Math.hypot(this.plot.x(x) - offsetX, this.plot.y(y) - offsetY);
      });
      onPick(distances.indexOf(Math.min(...distances)));
    });
    this.figure.viewport.append(this.pointSlider);
    this.legend = html("p", { class: "dst-muted dst-class-legend" });
    this.figure.viewport.after(this.legend);
  }

  /**
   * @param {{points: number[][], labels: number[], classes: string[]}} data
   * @param {number[]} list positions of the filtered examples
   * @param {import("../../shared/theme.js").Theme} theme
   * @param {number} available width
   */
  layOut({ points, labels, classes }, list, theme, available) {
    this.points = points;
    this.list = list;
    const [x, y] = [planeAxis(points, 0, "x"), planeAxis(points, 1, "y")];
    const width = Math.min(available, 560) - 56;
    const height = Math.round(width * Math.max(0.5, Math.min(1, (y.high - y.low) / (x.high - x.low))));
    this.figure.size(width + 56, height + 66);
    this.plot.setAxes({ x: 44, y: 26, width, height }, { x, y });
    const style = `width: ${width + 56}px; height: ${height + 66}px`;
    setAttributes(this.pointSlider, { style, "aria-valuemax": Math.max(1, list.length) });
    const filtered = new Set(list);
    const isDense = points.length > 500;
    const radius = isDense ? Math.min(2.8, width / 110) : 4;
    this.marks.classList.toggle("dst-dense", isDense);
    // One path contains all points of a class; the faint ones are drawn first.
    const path = (/** @type {number} */ k, /** @type {boolean} */ isHighlighted) => {
      const ofClass = points.filter((_, i) => labels[i] === k && filtered.has(i) === isHighlighted);
      const place = (/** @type {number[]} */ [px, py]) =>
        `M${this.plot.x(px).toFixed(1)},${this.plot.y(py).toFixed(1)}${markerPath(k, radius)}`;
      const name = isHighlighted ? "dst-point" : "dst-point dst-faint";
      return svg("path", { d: ofClass.map(place).join(""), fill: theme.classColour(k), class: name });
    };
    this.marks.replaceChildren(
      ...[false, true].flatMap((isHighlighted) => classes.map((_, k) => path(k, isHighlighted))),
    );
    // Classes beyond the eighth have no colour, so the legend is left out; the text names the class of the chosen point.
    const isColoured = classes.length <= palette.classes.light.length;
    const glyph = (/** @type {number} */ k) => html("i", { style: `color: ${theme.classColour(k)}` }, markerGlyph(k));
    this.legend.replaceChildren(...(isColoured ? classes : []).map((name, k) => html("span", {}, glyph(k), name)));
  }

  /**
   * @param {number} index the chosen example
   * @param {number} position in the filtered list
   * @param {string} description
   * @param {boolean} isChosen
   */
  mark(index, position, description, isChosen) {
    const [x, y] = this.points[index];
    const visibility = isChosen ? "visible" : "hidden";
    setAttributes(this.ring, { transform: `translate(${this.plot.x(x)} ${this.plot.y(y)})`, visibility });
    setAttributes(this.pointSlider, { "aria-valuenow": position + 1, "aria-valuetext": description });
  }
}

/**
 * @param {number[][]} points
 * @param {number} dimension
 * @param {string} title
 * @returns {import("../../shared/math/scales.js").Axis}
 */
function planeAxis(points, dimension, title) {
  const values = points.map((point) => point[dimension]);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const margin = 0.06 * (high - low) || 1;
  const step = roundAxis(high - low).ticks[1][0];
  const first = Math.ceil(low / step);
  const ticks = Array.from({ length: 9 }, (_, i) => Number(((first + i) * step).toPrecision(4)));
  const text = (/** @type {number} */ tick) => String(tick).replace("-", "−");
  const inside = ticks.filter((tick) => tick <= high);
  return { low: low - margin, high: high + margin, log: false, ticks: inside.map((tick) => [tick, text(tick)]), title };
}
