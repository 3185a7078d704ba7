// Pad to place one point among the points of the data. Positions are fractions of the plane, from its upper left corner.

import { markerPath } from "../../shared/markers.js";
import { roundAxis } from "../../shared/math/scales.js";

const STEP = 1 / 64; // of the plane, per arrow key

/** @typedef {import("../../shared/theme.js").Theme} Theme */

export class PointPad {
  instructions = "Arrow keys move the point, with Shift further; Delete or Escape removes it.";
  /** @type {number[] | null} */
  point = null;
  isFull = false;
  /** No stroke is ever begun. @type {null} */
  stroke = null;

  /** @param {number[]} extent */
  constructor([left, right, low, high]) {
    this.left = left;
    this.low = low;
    this.width = right - left;
    this.height = high - low;
  }

  get text() {
    // At most four decimals and four digits, so that links stay short.
    return this.point?.map((value) => String(Number(Number(value.toFixed(4)).toPrecision(4)))).join(",") ?? "";
  }
  get isEmpty() {
    return this.point === null;
  }
  get name() {
    return this.point ? `(${this.text.split(",").join(", ").replaceAll("-", "−")})` : "";
  }
  /** @param {string} text */
  load(text) {
    const numbers = text.split(",").map((part) => (part.trim() ? Number(part) : Number.NaN));
    this.point = numbers.length === 2 && numbers.every(Number.isFinite) ? numbers : null;
  }
  /** @param {number[]} place */
  begin(place) {
    this.extend(place);
  }
  /** @param {number[]} place */
  extend([x, y]) {
    const inside = (/** @type {number} */ fraction) => Math.max(0, Math.min(1, fraction));
    this.point = [this.left + inside(x) * this.width, this.low + (1 - inside(y)) * this.height];
  }
  end() {}
  undo() {}
  clear() {
    this.point = null;
  }
  /** @param {number[]} point */
  place([x, y]) {
    return [(x - this.left) / this.width, 1 - (y - this.low) / this.height];
  }
  /**
   * Move the point; the first key places it in the middle.
   * @param {number[]} arrow
   * @param {boolean} isFar
   */
  move(arrow, isFar) {
    const step = (isFar ? 6 : 1) * STEP;
    this.extend(this.point ? this.place(this.point).map((place, axis) => place + step * arrow[axis]) : [0.5, 0.5]);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Theme} theme
   * @param {{width: number, height: number, points: number[][], labels: number[]}} view
   */
  paint(context, theme, { width, height, points, labels }) {
    const at = (/** @type {number[]} */ point) => this.place(point).map((place, axis) => place * [width, height][axis]);
    this.#paintGrid(context, theme, at, width, height);
    Object.assign(context, { strokeStyle: theme.text, lineWidth: 0.8, globalAlpha: 0.4 });
    points.forEach((point, i) => {
      context.fillStyle = theme.classColour(labels[i]);
      const path = new Path2D(`M${at(point).join()}${markerPath(labels[i], points.length > 500 ? 2.5 : 3.5)}`);
      context.fill(path);
      context.stroke(path);
    });
    context.globalAlpha = 1;
    if (!this.point) return;
    const [x, y] = at(this.point).map((value) => Math.round(value) + 0.5);
    const lines = `M0,${y}H${x - 8}M${x + 8},${y}H${width}M${x},0V${y - 8}M${x},${y + 8}V${height}`;
    const cross = new Path2D(`${lines}M${x - 8},${y}a8,8 0 1,0 16,0a8,8 0 1,0 -16,0`);
    for (const [colour, thickness] of [
      [theme.background, 4],
      [theme.text, 1.5],
    ]) {
      Object.assign(context, { strokeStyle: colour, lineWidth: thickness });
      context.stroke(cross);
    }
  }
  /**
   * Draw grid lines at round coordinates, with their numbers inside the plane.
   * @param {CanvasRenderingContext2D} context
   * @param {Theme} theme
   * @param {(point: number[]) => number[]} at
   * @param {number} width
   * @param {number} height
   */
  #paintGrid(context, theme, at, width, height) {
    const style = { strokeStyle: theme.rule, fillStyle: theme.muted, lineWidth: 1, font: `11px ${theme.font}` };
    Object.assign(context, style);
    for (const [axis, low, span] of [
      [0, this.left, this.width],
      [1, this.low, this.height],
    ]) {
      const step = roundAxis(span).ticks[1][0];
      for (let tick = Math.ceil(low / step); tick * step < low + span; tick += 1) {
        const value = tick * step;
        const place = Math.round(at(axis ? [this.left, value] : [value, this.low])[axis]) + 0.5;
        context.stroke(new Path2D(axis ? `M0,${place}H${width}` : `M${place},0V${height}`));
        const text = String(Number(value.toPrecision(4))).replace("-", "−");
        if (axis && place > 24 && place < height - 22) context.fillText(text, 4, place - 4);
        if (!axis && place > 8 && place < width - 28) context.fillText(text, place + 4, height - 5);
      }
    }
  }
}
