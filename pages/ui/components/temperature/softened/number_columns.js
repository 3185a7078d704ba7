// Logits of one network and the same divided by the temperature, a row per class, with bars on one scale.

import { setAttributes, setText, svg } from "../../shared/dom.js";
import { formatTemperature } from "../../shared/format.js";
import { cutText, labelFont, textWidth } from "../../shared/text.js";

/** @typedef {import("../../shared/theme.js").Theme} Theme */
/** @typedef {{top: number, bottom: number}} Row */
/**
 * @typedef {{
 *   logits: number[],
 *   classes: string[],
 *   label: number | null,
 *   temperature: number,
 *   colour: string,
 *   order: number[],
 *   visible: number[],
 * }} Numbers order: class of each row; visible: first and last visible row of pixels
 */

const NUMBER = 50; // pixels of a number
const ARROW = 76; // pixels between the columns
const MAX_NAME = 84;
const HEADING = 18; // pixels above the first row
let serial = 0;

/**
 * Write a logit with two decimals.
 * @param {number} logit
 */
export const formatLogit = (logit) => (Number(logit.toFixed(2)) + 0).toFixed(2).replace("-", "−"); // no −0.00

export class NumberColumns {
  #shape = "";
  /** @type {any[]} */
  rows = [];
  columns = [0, 0]; // left ends
  barWidth = 0;
  /** Class names that fit. @type {string[]} */
  names = [];
  divisor = svg("text");

  constructor() {
    this.arrowHead = `dst-arrow-${++serial}`;
    this.node = svg("g", { "aria-hidden": "true" });
  }

  /**
   * Build the rows if their places changed, and draw the numbers.
   * @param {Theme} theme
   * @param {number} width
   * @param {Row[]} places
   * @param {Numbers} numbers
   */
  draw(theme, width, places, numbers) {
    const { logits, classes, label, temperature, colour, order, visible } = numbers;
    this.#layOut(theme, width, places, classes);
    const [low, high] = [Math.min(0, ...logits), Math.max(0, ...logits)];
    const scale = this.barWidth / (high - low || 1);
    const zero = -low * scale;
    setText(this.divisor, `÷ ${formatTemperature(temperature)}`);
    const drawNumber = (/** @type {any} */ row, /** @type {number} */ column, /** @type {number} */ value) => {
      // Below T = 1 the quotient may leave the scale, which is that of the logits in both columns.
      const [from, to] = [zero, zero + value * scale].map((x) => Math.max(0, Math.min(this.barWidth, x)));
      const x = this.columns[column] + Math.min(from, to);
      setAttributes(row.bars[column], { x, width: Math.max(1, Math.abs(to - from)) });
      setText(row.values[column], formatLogit(value));
    };
    order.forEach((k, i) => {
      const row = this.rows[i];
      if (row.top > visible[1] || row.bottom < visible[0]) return;
      drawNumber(row, 1, logits[k] / temperature);
      const input = [k, k === label, logits[k], scale, zero, colour].join();
      if (input === row.input) return; // only the temperature has changed
      row.input = input;
      setText(row.name, this.names[k]);
      setAttributes(row.name, { "font-weight": k === label ? 600 : 400 });
      for (const bar of row.bars) setAttributes(bar, { fill: colour });
      drawNumber(row, 0, logits[k]);
    });
  }

  /**
   * @param {Theme} theme
   * @param {number} width
   * @param {Row[]} places
   * @param {string[]} classes
   */
  #layOut(theme, width, places, classes) {
    const shape = JSON.stringify([width, places, classes, theme.dark, theme.font]);
    if (shape === this.#shape) return;
    this.#shape = shape;
    const font = labelFont(theme.font);
    this.names = classes.map((name) => cutText(name, font, MAX_NAME));
    const widths = this.names.map((name) => textWidth(name, font));
    const name = Math.ceil(Math.min(MAX_NAME, Math.max(...widths))) + 12;
    const column = (width - name - ARROW) / 2;
    this.columns = [name, name + column + ARROW];
    this.barWidth = column - NUMBER;
    const { top } = places[0];
    const middle = (top + places[Math.min(places.length, 10) - 1].bottom) / 2;
    const ends = this.columns.map((x) => x + column);
    const arrow = { y1: middle, y2: middle, class: "dst-arrow", "marker-end": `url(#${this.arrowHead})` };
    const heading = { y: top - HEADING / 2, class: "dst-tick", "text-anchor": "end" };
    const between = { x: (ends[0] + this.columns[1]) / 2 + 4, y: middle - 10, "text-anchor": "middle" };
    this.divisor = svg("text", { ...between, class: "dst-divisor" });
    this.node.replaceChildren(
      this.#marker(),
      svg("text", { ...heading, x: ends[0] }, "z"),
      svg("text", { ...heading, x: ends[1] }, "z / T"),
      svg("line", { ...arrow, x1: ends[0] + 16, x2: this.columns[1] - 12 }),
      this.divisor,
    );
    this.rows = places.map((place) => this.#addRow(place, name, ends));
  }

  #marker() {
    const size = { markerWidth: 8, markerHeight: 8, refX: 6, refY: 4, orient: "auto" };
    const head = svg("path", { d: "M0,0L8,4L0,8Z", class: "dst-arrow-head" });
    return svg("defs", {}, svg("marker", { id: this.arrowHead, ...size }, head));
  }

  /**
   * @param {Row} place
   * @param {number} name pixels of the class names
   * @param {number[]} ends right ends of the columns
   */
  #addRow({ top, bottom }, name, ends) {
    const middle = (top + bottom) / 2;
    const height = Math.min(16, bottom - top - 8);
    const text = { y: middle, class: "dst-number", "text-anchor": "end" };
    const row = {
      top,
      bottom,
      input: "", // what the name and the logit were drawn from
      name: svg("text", { ...text, x: name - 10 }),
      bars: this.columns.map((x) => svg("rect", { x, y: middle - height / 2, width: 0, height })),
      values: ends.map((x) => svg("text", { ...text, x })),
    };
    this.node.append(row.name, ...row.bars, ...row.values);
    return row;
  }
}
