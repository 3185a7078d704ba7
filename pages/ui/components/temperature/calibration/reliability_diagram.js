// Reliability diagram of one network with accuracy, the gap to the confidence and a histogram of the examples by bin.

import { setAttributes, setText, svg } from "../../shared/dom.js";
import { formatPercent } from "../../shared/format.js";
import { LinePlot } from "../../shared/widgets/line_plot.js";

export class ReliabilityDiagram {
  /**
   * @param {{x: number, y: number, width: number, height: number}} box
   * @param {number} bins
   * @param {import("../../shared/theme.js").RoleStyle} style
   */
  constructor({ x, y, width, height }, bins, { glyph, name, colour }) {
    this.node = svg("g", { "aria-hidden": "true" });
    this.plot = new LinePlot(this.node);
    this.top = y + 130;
    /** @returns {import("../../shared/math/scales.js").Axis} */
    const axis = (/** @type {string} */ title) => ({
      low: 0,
      high: 1,
      log: false,
      ticks: [
        [0, "0"],
        [0.5, "0.5"],
        [1, "1"],
      ],
      title,
    });
    const area = { x: x + 36, y: this.top, width: width - 44, height: height - 170 };
    this.plot.setAxes(area, { x: axis("confidence"), y: axis("accuracy") });
    this.plot.line(
      "diagonal",
      [
        [0, 0],
        [1, 1],
      ],
      { colour: "currentColor", width: 1, dash: "4,3" },
    );
    const line = (/** @type {number} */ dy, /** @type {string} */ style, /** @type {(string | Node)[]} */ ...text) =>
      svg("text", { x: x + 36, y: y + dy, class: style }, ...text);
    const title = line(16, "dst-calibration-title", svg("tspan", { fill: colour }, glyph), ` ${name}`);
    this.error = line(37, "dst-calibration-error");
    this.summary = line(56, "");
    this.maxCount = line(77, "dst-tick");
    this.node.append(title, this.error, this.summary, this.maxCount);
    this.bins = Array.from({ length: bins }, (_, b) => {
      const [from, to] = [this.plot.x(b / bins) + 0.75, this.plot.x((b + 1) / bins) - 0.75];
      const column = (/** @type {number} */ opacity) =>
        svg("rect", { x: from, width: to - from, fill: colour, "fill-opacity": opacity });
      const markStyle = { "text-anchor": "middle", "dominant-baseline": "central", "font-size": 12, fill: colour };
      const mark = svg("text", markStyle, glyph);
      const gap = svg("line", { class: "dst-calibration-gap" });
      const nodes = { bar: column(0.34), gap, mark, column: column(0.75) };
      this.node.append(...Object.values(nodes));
      return nodes;
    });
  }

  /** @param {import("./calibration_metrics.js").Reliability} reliability */
  draw({ bins, total }) {
    const maxCount = Math.max(...bins.map(({ count }) => count));
    const [accuracy, confidence, error] = [total.accuracy, total.confidence, total.error].map(formatPercent);
    setText(this.error, `ECE ${total.count ? error : "–"}`);
    setText(this.summary, total.count ? `accuracy ${accuracy}, mean confidence ${confidence}` : "no finite logits");
    setText(this.maxCount, `up to ${maxCount} examples per bin`);
    bins.forEach((bin, b) => {
      const nodes = this.bins[b];
      for (const node of Object.values(nodes)) setAttributes(node, { visibility: bin.count ? "visible" : "hidden" });
      if (!bin.count) return;
      const [x, y, height] = [this.plot.x(bin.confidence), this.plot.y(bin.accuracy), (26 * bin.count) / maxCount];
      const opacity = 0.4 + 0.6 * Math.sqrt(bin.count / maxCount); // bins of few examples are uncertain
      setAttributes(nodes.bar, { y, height: this.plot.y(0) - y, opacity });
      setAttributes(nodes.gap, { x1: x, x2: x, y1: y, y2: this.plot.y(bin.confidence), opacity });
      setAttributes(nodes.mark, { x, y, opacity });
      setAttributes(nodes.column, { y: this.top - 24 - height, height });
    });
  }
}
