// Chart of several distributions over the same classes, with a row per class and a lane per distribution.

import { setAttributes, setText, svg } from "../../shared/dom.js";
import { formatNumber } from "../../shared/format.js";
import { axisFraction, LOG_FLOOR } from "../../shared/math/scales.js";
import { labelFont, shorten, textWidth } from "../../shared/text.js";

/** @typedef {{id: string, title: string, glyph: string, colour: string, dash: string, width: number}} Source */

// With more classes, the true class and the TOP_CLASSES most probable others have a row each, the rest one together.
export const MAX_ROWS = 12;
export const TOP_CLASSES = 9;
const LANE_HEIGHT = 9;
/** @type {[number, string][]} */
const LOG_TICKS = [
  [LOG_FLOOR, "≤ 10⁻⁶"],
  [1e-4, "10⁻⁴"],
  [1e-2, "0.01"],
  [1, "1"],
];
/** @type {[number, string][]} */
const LINEAR_TICKS = [0, 0.25, 0.5, 0.75, 1].map((p) => [p, String(p)]);

export class DistributionLanes {
  #shape = "";
  uniform = svg("line");
  log = false;
  height = 0;
  geometry = { left: 0, plotWidth: 0, names: /** @type {string[]} */ ([]) };
  /** @type {any[]} */
  parts = [];

  /** @param {SVGSVGElement} chart */
  constructor(chart) {
    this.chart = chart;
  }

  /**
   * @param {import("../../shared/theme.js").Theme} theme
   * @param {number} width
   * @param {{classes: string[], label: number, teacher: number[] | null, sources: Source[],
   *   targets: Record<string, number[]>, log: boolean}} data teacher: logits; targets: log-probabilities by source
   */
  draw(theme, width, { classes, label, teacher, sources, targets, log }) {
    const rows = rowsOf(classes, label, teacher);
    this.log = log;
    this.#layOut(
      theme,
      width,
      rows.map(({ name }) => name),
      sources,
      classes.length,
    );
    const uniform = this.#x(1 / classes.length);
    setAttributes(this.uniform, { x1: uniform, x2: uniform });
    rows.forEach(({ members }, i) => {
      const parts = this.parts[i];
      const isTrueClass = members.includes(label);
      setText(parts.text, isTrueClass ? `✓ ${this.geometry.names[i]}` : this.geometry.names[i]);
      setAttributes(parts.name, { "font-weight": isTrueClass ? 600 : 400 });
      const mean = (/** @type {number[]} */ logp) =>
        members.reduce((sum, k) => sum + Math.exp(logp[k]), 0) / members.length;
      for (const { id } of sources) this.#setProbability(parts[id], mean(targets[id]));
    });
  }

  /**
   * @param {{stem: SVGElement, mark: SVGElement, value?: SVGElement}} part
   * @param {number} p
   */
  #setProbability({ stem, mark, value }, p) {
    const x = this.#x(p);
    setAttributes(stem, { x2: x });
    setAttributes(mark, { x });
    if (value) setText(value, p >= 0.01 ? p.toFixed(3) : formatNumber(p));
  }
  /** @param {number} p */
  #x(p) {
    const { left, plotWidth } = this.geometry;
    return left + plotWidth * axisFraction(p, this.log);
  }

  /**
   * Create the nodes when the shape of the chart changes; afterwards they only move.
   * @param {import("../../shared/theme.js").Theme} theme
   * @param {number} width
   * @param {string[]} names
   * @param {Source[]} sources
   * @param {number} count of classes
   */
  #layOut(theme, width, names, sources, count) {
    const shape = JSON.stringify([names, sources, width, theme.background, this.log, count]);
    if (shape === this.#shape) return;
    this.#shape = shape;
    const isNarrow = width < 480;
    const maxWidth = isNarrow ? 84 : 150;
    const nameWidth = (/** @type {string} */ name) => textWidth(name, labelFont(theme.font));
    const shortNames = names.map((name) => shorten(name, (text) => nameWidth(text) <= maxWidth - 16));
    const gutter = Math.min(maxWidth, 16 + Math.max(...shortNames.map(nameWidth))) + 12;
    const [left, right] = [gutter, isNarrow ? 12 : 62];
    const top = isNarrow ? 82 : 62;
    const row = LANE_HEIGHT * sources.length + 9;
    const bottom = top + row * names.length;
    this.geometry = { left, plotWidth: width - left - right, names: shortNames };
    this.height = bottom + 40;
    setAttributes(this.chart, { width, height: this.height, viewBox: `0 0 ${width} ${this.height}` });
    this.chart.replaceChildren();
    this.#legend(sources, width, isNarrow);
    const tick = { "text-anchor": "middle", class: "dst-tick" };
    for (const [p, text] of this.log ? LOG_TICKS : LINEAR_TICKS) {
      const x = this.#x(p);
      this.#add(svg("line", { x1: x, x2: x, y1: top - 2, y2: bottom, class: "dst-grid" }));
      this.#add(svg("text", { x, y: bottom + 16, ...tick }, text));
    }
    this.#add(svg("text", { x: left + this.geometry.plotWidth / 2, y: bottom + 34, ...tick }, "probability"));
    this.uniform = this.#add(svg("line", { y1: top - 2, y2: bottom, class: "dst-vertical-line" }));
    const centre = Math.min(this.#x(1 / count), width - 36);
    this.#add(svg("text", { x: centre, y: top - 9, ...tick }, `uniform 1/${count}`));
    if (!isNarrow && sources.at(-1)?.id === "teacher") {
      const { colour, glyph } = theme.role("teacher");
      this.#add(svg("text", { x: width, y: top - 9, "text-anchor": "end", fill: colour }, glyph));
    }
    this.parts = names.map((name, i) => {
      const y = top + i * row;
      const centreY = { y: y + row / 2, "text-anchor": "end", "dominant-baseline": "central" };
      const text = svg("tspan");
      /** @type {Record<string, any>} */
      const parts = {
        text,
        name: this.#add(svg("text", { x: left - 12, ...centreY, "font-size": 14 }, svg("title", {}, name), text)),
      };
      if (i) this.#add(svg("line", { x1: left, x2: width - right, y1: y, y2: y, class: "dst-grid" }));
      sources.forEach((source, lane) => {
        const height = y + 9 + lane * LANE_HEIGHT;
        parts[source.id] = {
          stem: this.#add(line(left, left, height, source, 0.6)),
          mark: this.#add(glyphText(source, { y: height, "font-size": 13 })),
        };
        if (source.id !== "teacher" || isNarrow) return;
        parts[source.id].value = this.#add(svg("text", { x: width, ...centreY, fill: source.colour }));
      });
      return parts;
    });
  }

  /**
   * @template {SVGElement} T
   * @param {T} node
   */
  #add(node) {
    this.chart.append(node);
    return node;
  }
  /**
   * @param {Source[]} sources
   * @param {number} width
   * @param {boolean} isNarrow
   */
  #legend(sources, width, isNarrow) {
    const columns = isNarrow ? 2 : sources.length;
    sources.forEach((source, i) => {
      const [x, y] = [(i % columns) * (width / columns), 14 + 22 * Math.floor(i / columns)];
      this.#add(line(x, x + 22, y, source));
      this.#add(glyphText(source, { x: x + 22, y }));
      this.#add(svg("text", { x: x + 33, y, "dominant-baseline": "central" }, source.title));
    });
  }
}

/**
 * Return the rows of the chart in an order independent of the temperature. A row of several classes shows their mean.
 * @param {string[]} classes
 * @param {number} label
 * @param {number[] | null} teacher logits
 */
export function rowsOf(classes, label, teacher) {
  const all = classes.map((_, k) => k);
  const row = (/** @type {number} */ k) => ({ name: classes[k], members: [k] });
  if (classes.length <= MAX_ROWS) return all.map(row);
  const others = all.filter((k) => k !== label);
  if (teacher) others.sort((a, b) => teacher[b] - teacher[a]);
  const rest = others.splice(TOP_CLASSES);
  return [...[label, ...others].map(row), { name: `${rest.length} others`, members: rest }];
}

/**
 * @param {number} x1
 * @param {number} x2
 * @param {number} y
 * @param {Source} source
 * @param {number} [opacity]
 */
function line(x1, x2, y, { colour, dash, width }, opacity = 1) {
  const dashes = dash === "solid" ? "none" : dash;
  const style = { stroke: colour, "stroke-width": width, "stroke-opacity": opacity, "stroke-dasharray": dashes };
  return svg("line", { x1, x2, y1: y, y2: y, ...style });
}

/**
 * @param {Source} source
 * @param {Record<string, number>} attributes
 */
const glyphText = ({ glyph, colour }, attributes) =>
  svg("text", { ...attributes, "text-anchor": "middle", "dominant-baseline": "central", fill: colour }, glyph);
