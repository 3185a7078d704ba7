// Line chart. Its axes are built when its size changes; afterwards lines and marks only move.

import { setAttributes, setText, svg } from "../dom.js";
import { placeOnAxis } from "../math/scales.js";

/** @typedef {import("../math/scales.js").Axis} Axis */

/** Milliseconds per animation frame for computing curves, which may take several frames. */
export const FRAME_BUDGET = 4;

export class LinePlot {
  /** Set by setAxes before anything is drawn. @type {{x: Axis, y: Axis}} */
  #axes = /** @type {any} */ (null);
  box = { x: 0, y: 0, width: 0, height: 0 };
  /** @type {string | null} */
  key = null;
  /** @type {Map<string, SVGElement>} */
  parts = new Map();

  /** @param {Element} parent */
  constructor(parent) {
    this.back = svg("g", { "aria-hidden": "true" });
    this.front = svg("g", { "aria-hidden": "true" });
    parent.append(this.back, this.front);
  }

  /**
   * @param {{x: number, y: number, width: number, height: number}} box of the plotting area
   * @param {{x: Axis, y: Axis}} axes
   */
  setAxes(box, axes) {
    const key = JSON.stringify([box, axes]);
    if (key === this.key) return;
    this.key = key;
    this.box = box;
    this.#axes = axes;
    this.parts.clear();
    this.front.replaceChildren();
    const { x, y, width, height } = box;
    const bottom = y + height;
    const right = { "text-anchor": "end", "dominant-baseline": "central", class: "dst-tick" };
    this.back.replaceChildren(
      ...axes.x.ticks.map(([value, text]) =>
        svg(
          "g",
          {},
          svg("line", { x1: this.x(value), x2: this.x(value), y1: y, y2: bottom, class: "dst-grid" }),
          svg("text", { x: this.x(value), y: bottom + 16, "text-anchor": "middle", class: "dst-tick" }, text),
        ),
      ),
      ...axes.y.ticks.map(([value, text]) =>
        svg(
          "g",
          {},
          svg("line", { x1: x, x2: x + width, y1: this.y(value), y2: this.y(value), class: "dst-grid" }),
          svg("text", { x: x - 7, y: this.y(value), ...right }, text),
        ),
      ),
      svg("text", { x: x + width / 2, y: bottom + 34, "text-anchor": "middle", class: "dst-tick" }, axes.x.title ?? ""),
      svg("text", { x, y: y - 11, "text-anchor": "start", class: "dst-tick" }, axes.y.title ?? ""),
    );
  }

  /** @param {number} value */
  x(value) {
    return this.box.x + this.box.width * placeOnAxis(value, this.#axes.x);
  }
  /** @param {number} value */
  y(value) {
    const place = placeOnAxis(value, this.#axes.y);
    return this.box.y + this.box.height * (1 - Math.min(1, Math.max(0, Number.isFinite(place) ? place : 0)));
  }

  /**
   * @param {string} id
   * @param {() => SVGElement} create
   */
  #part(id, create) {
    const node = this.parts.get(id) ?? create();
    if (!this.parts.has(id)) this.front.append(node);
    this.parts.set(id, node);
    return node;
  }
  /** @param {number[][]} points */
  #path(points) {
    return points.map(([x, y], i) => `${i ? "L" : "M"}${this.x(x).toFixed(2)},${this.y(y).toFixed(2)}`).join("");
  }

  /**
   * @param {string} id
   * @param {number[][]} points
   * @param {{colour: string, dash?: string, width?: number}} style
   */
  line(id, points, { colour, dash = "", width = 2 }) {
    const node = this.#part(id, () => svg("path", { fill: "none", "stroke-linejoin": "round" }));
    const style = { stroke: colour, "stroke-width": width, "stroke-dasharray": dash === "solid" ? "none" : dash };
    setAttributes(node, { d: this.#path(points), ...style });
  }
  /**
   * Fill the area between two lines of the same x.
   * @param {string} id
   * @param {number[][]} upper
   * @param {number[][]} lower
   * @param {{colour: string, opacity?: number}} style
   */
  band(id, upper, lower, { colour, opacity = 0.25 }) {
    const node = this.#part(id, () => svg("path", { stroke: "none" }));
    const outline = this.#path([...upper, ...[...lower].reverse()]);
    setAttributes(node, { d: `${outline}Z`, fill: colour, "fill-opacity": opacity });
  }
  /**
   * Draw a glyph of the palette at a point.
   * @param {string} id
   * @param {number} x
   * @param {number} y
   * @param {string} glyph
   * @param {string} colour
   */
  mark(id, x, y, glyph, colour) {
    const style = { "text-anchor": "middle", "dominant-baseline": "central", "font-size": 15 };
    const node = this.#part(id, () => svg("text", style));
    setText(node, glyph);
    setAttributes(node, { x: this.x(x), y: this.y(y), fill: colour });
  }
  /**
   * @param {string} id
   * @param {number} x
   * @param {number} y
   * @param {string} content
   * @param {{anchor?: string, dx?: number, dy?: number, colour?: string}} [style]
   */
  text(id, x, y, content, { anchor = "start", dx = 0, dy = 0, colour = "" } = {}) {
    const node = this.#part(id, () => svg("text", { "dominant-baseline": "central", "font-size": 13 }));
    setText(node, content);
    const place = { x: this.x(x) + dx, y: this.y(y) + dy, "text-anchor": anchor };
    setAttributes(node, { ...place, ...(colour ? { fill: colour } : {}) });
  }
  /**
   * Draw a vertical line through the whole plot, at the current temperature.
   * @param {string} id
   * @param {number} x
   */
  verticalLine(id, x) {
    const { y, height } = this.box;
    const node = this.#part(id, () => svg("line", { class: "dst-vertical-line", y1: y, y2: y + height }));
    setAttributes(node, { x1: this.x(x), x2: this.x(x) });
  }
}
