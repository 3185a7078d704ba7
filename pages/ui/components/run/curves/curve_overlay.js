// Overlay of a plot, which moves without redrawing it: markers, reference levels, the playhead and the reading line.

import { setAttributes, svg } from "../../shared/dom.js";

/**
 * @typedef {{
 *   left: number,
 *   right: number,
 *   top: number,
 *   bottom: number,
 *   x: (value: number) => number,
 *   y: (value: number) => number,
 * }} Frame the plotting area in pixels
 * @typedef {{marker: number, text: string, kind: string}} Marker
 * @typedef {{level: string, y: number, text: string}} Level level: the key of its series
 * @typedef {Level & {colour: string, dash: string}} StyledLevel
 */

export class CurveOverlay {
  /** @type {Frame | null} */
  frame = null;

  constructor() {
    this.node = svg("svg", { class: "dst-overlay", "aria-hidden": "true" });
    this.fixed = svg("g");
    this.cursor = svg("line", { class: "dst-cursor", visibility: "hidden" });
    this.hairline = svg("line", { class: "dst-hairline", visibility: "hidden" });
    this.node.append(this.fixed, this.cursor, this.hairline);
  }

  /**
   * @param {Frame} frame
   * @param {Marker[]} markers
   * @param {StyledLevel[]} levels
   */
  draw(frame, markers, levels) {
    this.frame = frame;
    this.fixed.replaceChildren();
    for (const level of levels) this.#drawLevel(frame, level);
    this.#drawMarkers(frame, markers);
  }

  /**
   * @param {Frame} frame
   * @param {StyledLevel} level
   */
  #drawLevel({ left, right, top, bottom, y: yOf }, { y, text, colour, dash }) {
    const place = yOf(y);
    if (!(place >= top - 1 && place <= bottom + 1)) return;
    const style = { stroke: colour, "stroke-width": 1, "stroke-dasharray": dash, opacity: 0.75 };
    this.fixed.append(
      svg("line", { x1: left, x2: right, y1: place, y2: place, ...style }),
      svg("text", { x: left + 6, y: place < top + 18 ? place + 15 : place - 6 }, text),
    );
  }

  /**
   * Draw upright lines with their texts. Texts that would touch go to the next row; without a row left, the line stays
   * and its text is in the table.
   * @param {Frame} frame
   * @param {Marker[]} markers
   */
  #drawMarkers({ left, right, top, bottom, x: xOf }, markers) {
    const ends = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const { marker, text, kind } of [...markers].sort((a, b) => a.marker - b.marker)) {
      const place = xOf(marker);
      if (place < left - 1 || place > right + 1) continue;
      const line = { class: `dst-marker dst-marker-${kind}`, x1: place, x2: place, y1: top - 6, y2: bottom };
      const label = svg("text", { class: "dst-marker-text" }, text);
      this.fixed.append(svg("line", line), label);
      const width = label.getComputedTextLength();
      const start = Math.max(left, Math.min(place - 2, right - width));
      const row = ends.findIndex((end) => start > end + 8);
      if (row < 0) label.remove();
      else {
        setAttributes(label, { x: start, y: top - 10 - 14 * row });
        ends[row] = start + width;
      }
    }
  }

  /**
   * Move a line to x; returns its place in pixels, or null outside of the plot.
   * @param {SVGLineElement} line
   * @param {number | null} x
   */
  #moveLine(line, x) {
    const place = x === null || !this.frame ? Number.NaN : this.frame.x(x);
    const isInside = this.frame !== null && place >= this.frame.left - 1 && place <= this.frame.right + 1;
    setAttributes(line, { visibility: isInside ? "visible" : "hidden" });
    if (!isInside) return null;
    setAttributes(line, { x1: place, x2: place, y1: this.frame.top, y2: this.frame.bottom });
    return place;
  }
  /** @param {number | null} x */
  showMoment(x) {
    this.#moveLine(this.cursor, x);
  }
  /** @param {number | null} x */
  showReading(x) {
    return this.#moveLine(this.hairline, x);
  }
}
