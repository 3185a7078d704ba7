// Overlay of a plot that changes without redrawing it, with markers, reference levels, epoch line and hover line.

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
    this.epochLine = svg("line", { class: "dst-epoch-line", visibility: "hidden" });
    this.hoverLine = svg("line", { class: "dst-hover-line", visibility: "hidden" });
    this.node.append(this.fixed, this.epochLine, this.hoverLine);
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
   * Draw vertical lines with their texts. Texts that would overlap go to the second row; if that is full, the text is in
   * the table only.
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
   * Move a line to x; return its position in pixels, or null outside of the plot.
   * @param {SVGLineElement} line
   * @param {number | null} x
   */
  #moveLine(line, x) {
    const { frame } = this;
    const place = x === null || !frame ? Number.NaN : frame.x(x);
    const isInside = frame !== null && place >= frame.left - 1 && place <= frame.right + 1;
    setAttributes(line, { visibility: isInside ? "visible" : "hidden" });
    if (!isInside) return null;
    setAttributes(line, { x1: place, x2: place, y1: frame.top, y2: frame.bottom });
    return place;
  }
  /** @param {number | null} x */
  showEvaluation(x) {
    this.#moveLine(this.epochLine, x);
  }
  /** @param {number | null} x */
  showHover(x) {
    return this.#moveLine(this.hoverLine, x);
  }
}
