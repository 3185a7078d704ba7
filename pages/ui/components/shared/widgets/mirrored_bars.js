// Bar chart of probabilities with a row per class, the teacher to the left, student and baseline (hatched) to the right.

import { setAttributes, setText, svg } from "../dom.js";
import { formatNumber, superscript } from "../format.js";
import { axisFraction, LOG_FLOOR } from "../math/scales.js";
import { logSigmoid, logSoftmax } from "../math/softmax.js";
import palette from "../palette.js";
import { breakLabel, labelFont, textWidth } from "../text.js";

/** @typedef {import("../theme.js").Theme} Theme */
/**
 * @typedef {{
 *   classes: string[],
 *   roles: string[],
 *   logits: Record<string, number[]>,
 *   label: number | number[] | null,
 *   temperature: number,
 *   log: boolean,
 *   visible?: number[],
 *   row?: number,
 *   isEachAnAnswer?: boolean,
 *   truncate?: (role: string, logp: number[]) => number[],
 * }} Data visible: first and last visible row of pixels; only bars between them are drawn; row: height in pixels;
 *   label: the true class, or several; isEachAnAnswer: whether the logit of a class is that of a yes or no by itself;
 *   truncate: what is drawn instead of the log-probabilities at the temperature
 */

const VALUE_WIDTH = 46;
const SIDES = { teacher: -1, student: 1 };
let serial = 0;

export class MirroredBars {
  #shape = "";
  #log = false;
  geometry = { half: 0, left: 0, right: 0, height: 0 };
  /** @type {any[]} */
  rows = [];

  /** @param {SVGSVGElement} chart */
  constructor(chart) {
    this.id = `dst-hatch-${++serial}`;
    this.chart = chart;
  }

  /**
   * Draw the bars and return the log-probabilities by role.
   * @param {Theme} theme
   * @param {number} width
   * @param {Data} data
   * @returns {Record<string, number[]>}
   */
  draw(theme, width, data) {
    this.#log = data.log;
    this.#layOut(theme, width, data);
    const logarithms = data.isEachAnAnswer ? logSigmoid : logSoftmax;
    const soften = (/** @type {number} */ temperature) =>
      Object.fromEntries(Object.entries(data.logits).map(([role, logits]) => [role, logarithms(logits, temperature)]));
    const logp = soften(data.temperature);
    if (data.truncate) for (const role of Object.keys(logp)) logp[role] = data.truncate(role, logp[role]);
    const reference = soften(1);
    const labels = [data.label].flat();
    const [from, to] = data.visible ?? [-Infinity, Infinity];
    this.rows.forEach((row, k) => {
      if (row.top > to || row.bottom < from) return;
      for (const role of data.roles) this.#drawBar(row[role], role, logp[role]?.[k], reference[role]?.[k]);
      if (row.isTrueClass === labels.includes(k)) return;
      row.isTrueClass = labels.includes(k);
      setAttributes(row.label, { visibility: row.isTrueClass ? "visible" : "hidden" });
      setAttributes(row.name, { "font-weight": row.isTrueClass ? 600 : 400 });
    });
    return logp;
  }
  get height() {
    return this.geometry.height;
  }

  /**
   * Return the length of a bar as a fraction of the half-width.
   * @param {number} p
   */
  #length(p) {
    return axisFraction(p, this.#log);
  }

  /**
   * @param {any} parts
   * @param {string} role
   * @param {number | undefined} logp
   * @param {number | undefined} reference log-probability at T = 1, drawn as an outline
   */
  #drawBar(parts, role, logp, reference) {
    const { half, left, right } = this.geometry;
    const p = logp === undefined ? 0 : Math.exp(logp);
    const length = this.#length(p) * half;
    const outline = reference === undefined ? 0 : this.#length(Math.exp(reference)) * half;
    const resize = (/** @type {Element} */ node, /** @type {string} */ key, /** @type {number} */ size) => {
      if (parts[key] === size) return;
      parts[key] = size;
      setAttributes(node, { width: size, ...(role === "teacher" ? { x: left - size } : {}) });
    };
    resize(parts.bar, "length", length);
    if (!parts.value) return;
    resize(parts.reference, "outline", outline);
    const small = this.#log && p > 0 ? formatNumber(Math.max(p, LOG_FLOOR)) : "";
    setText(parts.value, logp === undefined ? "" : p >= 0.01 ? p.toFixed(2) : small);
    // The number stands between bar and outline if there is room, else beyond both, so that the outline does not cross it.
    const end = (outline > length && outline - length < 44 ? outline : length) + 7;
    setAttributes(parts.value, { x: role === "teacher" ? left - end : right + end });
  }

  /**
   * Create the nodes when the shape of the chart changes; afterwards only lengths change.
   * @param {Theme} theme
   * @param {number} width
   * @param {Data} data
   */
  #layOut(theme, width, data) {
    const { classes, roles, log } = data;
    const hasBaseline = roles.includes("baseline");
    const styles = roles.map((role) => [theme.role(role).name, theme.role(role).colour]);
    const shape = JSON.stringify([classes, styles, width, theme.dark, log, data.row]);
    if (shape === this.#shape) return;
    this.#shape = shape;
    const isNarrow = width < 480;
    const row = data.row ?? (classes.length <= 3 ? 60 : classes.length <= 12 ? 36 : 28);
    const names = classes.map((name) => breakLabel(name, isNarrow ? 64 : 170, theme.font));
    const longest = Math.max(...names.flat().map((line) => textWidth(line, labelFont(theme.font))));
    const gutter = Math.max(isNarrow ? 48 : 64, longest + (isNarrow ? 44 : 56));
    const top = isNarrow ? 70 : 58;
    const half = (width - gutter) / 2 - VALUE_WIDTH;
    const left = width / 2 - gutter / 2;
    const right = width / 2 + gutter / 2;
    const height = top + row * classes.length + 6;
    this.geometry = { half, left, right, height };
    setAttributes(this.chart, { width, height, viewBox: `0 0 ${width} ${height}` });
    this.chart.replaceChildren(this.#hatch(theme.role("baseline").colour));
    this.#addHeadings(theme, hasBaseline, isNarrow);
    this.#addAxis(top, height - 6);
    this.rows = names.map((name, k) => this.#addRow(name, classes[k], top + k * row, row, theme, roles));
  }

  /** @param {string} colour */
  #hatch(colour) {
    const size = { width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" };
    return svg(
      "defs",
      {},
      svg("pattern", { id: this.id, ...size }, svg("rect", { width: 2, height: 5, fill: colour })),
    );
  }

  /**
   * @param {Theme} theme
   * @param {boolean} hasBaseline
   * @param {boolean} isNarrow
   */
  #addHeadings(theme, hasBaseline, isNarrow) {
    const { left, right } = this.geometry;
    const add = (/** @type {string} */ role, /** @type {object} */ place, isMirrored = false) => {
      const { glyph, name, colour } = theme.role(role);
      const mark = svg("tspan", { fill: colour }, glyph);
      const parts = isMirrored ? [`${name} `, mark] : [mark, ` ${name}`];
      this.chart.append(svg("text", { "text-anchor": isMirrored ? "end" : "start", ...place }, parts));
    };
    add("teacher", { x: left, y: 20, class: "dst-heading" }, true);
    add("student", { x: right, y: 20, class: "dst-heading" });
    const second = { y: isNarrow ? 36 : 20, class: "dst-subheading" };
    if (hasBaseline) add("baseline", { x: isNarrow ? right : right + 98, ...second });
    this.chart.append(svg("text", { x: isNarrow ? 0 : VALUE_WIDTH, ...second }, "outline: at T = 1"));
  }

  /**
   * @param {number} top
   * @param {number} bottom
   */
  #addAxis(top, bottom) {
    const { half, left, right } = this.geometry;
    const ticks = this.#log ? [1e-6, 1e-4, 1e-2, 1] : [0, 0.5, 1];
    for (const tick of ticks) {
      const length = this.#length(tick) * half;
      const label = this.#log && tick < 1 ? `10${superscript(Math.log10(tick))}` : String(tick);
      for (const { x, anchor } of [
        { x: left - length, anchor: "end" },
        { x: right + length, anchor: "start" },
      ]) {
        const isFirst = length < 1;
        this.chart.append(
          svg("line", { x1: x, x2: x, y1: top - 4, y2: bottom, class: isFirst ? "dst-axis-line" : "dst-grid" }),
          svg("text", { x, y: top - 9, "text-anchor": isFirst ? anchor : "middle", class: "dst-tick" }, label),
        );
      }
    }
  }

  /**
   * @param {string[]} name its lines
   * @param {string} title
   * @param {number} y
   * @param {number} height
   * @param {Theme} theme
   * @param {string[]} roles
   */
  #addRow(name, title, y, height, theme, roles) {
    const { left, right } = this.geometry;
    const hasBaseline = roles.includes("baseline");
    const thick = Math.min(30, Math.round(height * (hasBaseline ? 0.46 : 0.6)));
    const thin = hasBaseline ? Math.max(5, Math.round(thick * 0.36)) : 0;
    const start = y + Math.round((height - thick - (thin && thin + 2)) / 2);
    const middle = start + thick / 2;
    /** @type {any} */
    const parts = { top: y, bottom: y + height, isTrueClass: false };
    const add = (/** @type {Element} */ node) => {
      this.chart.append(node);
      return node;
    };
    for (const [role, side] of Object.entries(SIDES)) {
      if (!roles.includes(role)) continue;
      const { colour } = theme.role(role);
      const x = side < 0 ? left : right;
      parts[role] = {
        bar: add(svg("rect", { x, y: start, width: 0, height: thick, fill: colour })),
        reference: add(svg("rect", { x, y: start + 0.5, width: 0, height: thick - 1, class: "dst-reference" })),
        value: add(svg("text", { x, y: middle, class: "dst-value", "text-anchor": side < 0 ? "end" : "start" })),
      };
    }
    if (hasBaseline) {
      const paint = { fill: `url(#${this.id})`, stroke: theme.role("baseline").colour, "stroke-width": 0.75 };
      parts.baseline = { bar: add(svg("rect", { x: right, y: start + thick + 2, width: 0, height: thin, ...paint })) };
    }
    const centre = (left + right) / 2;
    const line = (/** @type {string} */ text, /** @type {number} */ i) =>
      svg("tspan", { x: centre, y: middle + 15 * (i - (name.length - 1) / 2) }, text);
    parts.name = add(svg("text", { class: "dst-class" }, svg("title", {}, title), name.map(line)));
    const widest = Math.max(...name.map((text) => textWidth(text, labelFont(theme.font))));
    const place = { x: centre - widest / 2 - 13, y: middle, class: "dst-class", visibility: "hidden" };
    parts.label = add(svg("text", place, palette.trueLabel));
    return parts;
  }
}
