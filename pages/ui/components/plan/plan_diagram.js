// Diagram of a distillation scheme, with the networks of each phase and their teachers.
//
// Payload: sentence (the text alternative), columns [{title, note, nodes}] and edges, as plan_layout.js describes them.

import { html, setAttributes, svg } from "../shared/dom.js";
import { mount, observeWidth, redrawScheduler } from "../shared/mount.js";
import { readTheme } from "../shared/theme.js";
import { columnLayout } from "./column_layout.js";
import { listLayout } from "./list_layout.js";
import { LABEL_ROW, ROW_HEIGHT } from "./plan_layout.js";

/** @typedef {import("./plan_layout.js").Box} Box */
/** @typedef {import("./plan_layout.js").Label} Label */
/** @typedef {import("./plan_layout.js").Line} Line */
/** @typedef {import("./plan_layout.js").PlanNode} PlanNode */

/** @type {Record<string, number>} */
const LINE_WIDTHS = { teaches: 2, continues: 1.25, combines: 1.25, shares: 5 };

class PlanDiagram {
  #width = 0;
  #key = "";
  /** Received with the first update. @type {import("./plan_layout.js").Plan} */
  plan = /** @type {any} */ (null);
  /** Read at every drawing. @type {import("../shared/theme.js").Theme} */
  theme = /** @type {any} */ (null);

  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    root.classList.add("dst-plan-diagram");
    this.chart = svg("svg");
    this.legend = html("p", { class: "dst-legend", "aria-hidden": "true" });
    root.append(this.chart, this.legend);
    this.draw = redrawScheduler(() => this.#draw(), "plan_diagram");
    this.stopObserving = observeWidth(root, (width) => {
      this.#width = width;
      this.draw();
    });
  }

  /** @param {any} data */
  update(data) {
    this.plan = data;
    this.draw();
  }

  #draw() {
    if (!this.#width || !this.plan?.columns) return;
    const theme = readTheme(this.root);
    const key = JSON.stringify([this.plan, this.#width, theme.text, theme.font]);
    if (key === this.#key) return;
    this.#key = key;
    this.theme = theme;
    const style = {
      font: (/** @type {number} */ size, weight = 400) => `${weight} ${size}px ${theme.font}`,
      glyph: (/** @type {PlanNode} */ node) => this.#glyph(node),
      colour: (/** @type {PlanNode} */ node) => this.#colour(node),
      neutral: theme.muted,
    };
    const layout = columnLayout(this.plan, this.#width, style) ?? listLayout(this.plan, this.#width, style);
    const { width, height, headings, boxes, lines, labels } = layout;
    const size = { width, height, viewBox: `0 0 ${width} ${height}` };
    setAttributes(this.chart, { ...size, role: "img", "aria-label": this.plan.sentence });
    this.chart.replaceChildren(
      ...headings.map((heading) => this.#heading(heading)),
      ...lines.map((line) => this.#line(line)),
      ...boxes.flatMap((box) => this.#box(box)),
      ...lines.flatMap((line) => line.ends.map((end) => this.#arrowHead(line, end))),
      ...labels.flatMap((label) => this.#label(label)),
    );
    this.#updateLegend();
  }

  /**
   * Return the colour of a network. Stacks are neutral, since their networks differ in colour.
   * @param {PlanNode} node
   */
  #colour(node) {
    return node.stack ? this.theme.muted : this.theme.role(node.style_role).colour;
  }
  /** @param {PlanNode} node */
  #glyph(node) {
    return node.lane === "base" ? "" : this.theme.role(node.style_role).glyph;
  }

  /** @param {Label & {title: string}} heading */
  #heading({ x, y, anchor, title, lines }) {
    const start = title ? y + 17 : y;
    const line = (/** @type {string} */ text, /** @type {number} */ i) =>
      svg("text", { class: "dst-secondary", x, y: start + ROW_HEIGHT * i, "text-anchor": anchor }, text);
    const heading = title ? svg("text", { class: "dst-phase", x, y, "text-anchor": anchor }, title) : null;
    return svg("g", {}, heading, lines.map(line));
  }
  /** @param {Label} label */
  #label({ x, y, anchor, lines }) {
    return lines.map((text, i) => {
      const place = { x, y: y + LABEL_ROW * i, "text-anchor": anchor };
      return svg("text", { class: "dst-secondary dst-outlined", ...place }, text);
    });
  }

  /** @param {Line} line */
  #line({ kind, d, colour }) {
    const name = `dst-plan-line dst-plan-line-${kind.replace(" ", "-")}`;
    return svg("path", {
      class: name,
      d,
      "stroke-width": LINE_WIDTHS[kind],
      style: colour ? `stroke: ${colour}` : null,
    });
  }

  /**
   * Return an arrow head, filled for teaching, open where a network continues or another is derived from it.
   * @param {Line} line
   * @param {import("./plan_layout.js").ArrowHead} end
   */
  #arrowHead({ kind, colour }, { x, y, back }) {
    const size = kind === "teaches" ? 8 : 6;
    const from = back ? x + size : x - size;
    const d = `M${from} ${y - 0.6 * size}L${x} ${y}L${from} ${y + 0.6 * size}`;
    if (kind === "teaches") return svg("path", { d: `${d}Z`, fill: colour });
    return svg("path", { class: "dst-plan-line", d, "stroke-width": 1.25 });
  }

  /** @param {Box} box */
  #box({ node, x, y, width, height, title, rest, anchor = "middle" }) {
    const { lane, kind, stack } = node;
    const isBase = lane === "base";
    const isBaseline = kind === "baseline";
    const dash = isBaseline ? "1.5 4" : node.state.includes("frozen") ? "7 5" : "none";
    const round = kind === "teacher" ? 3 : 12; // like the square and circle markers
    const place = { x, y, width, height, rx: isBase ? 4 : round };
    const stroke = isBase ? "var(--faint)" : this.#colour(node);
    const isThin = lane === "made" || isBase;
    const cap = isBaseline ? "round" : "butt";
    const paint = { stroke, "stroke-width": isThin ? 1.25 : 2, "stroke-dasharray": dash, "stroke-linecap": cap };
    const opacity = isThin || lane === "baseline" ? 0 : 0.07;
    const textX = anchor === "middle" ? x + width / 2 : x + 12;
    const textLine = (/** @type {number} */ i, /** @type {string} */ name, /** @type {(Node | string)[]} */ ...text) =>
      svg("text", { class: name, x: textX, y: y + 7 + ROW_HEIGHT * (i + 0.78), "text-anchor": anchor }, ...text);
    const glyph = this.#glyph(node);
    const titleLine = (/** @type {string} */ text, /** @type {number} */ i) =>
      i || !glyph
        ? textLine(i, "dst-network", text)
        : textLine(i, "dst-network", svg("tspan", { fill: stroke }, glyph), text.slice(glyph.length));
    const card = (/** @type {number} */ offset) =>
      svg("rect", {
        ...place,
        x: x + offset,
        y: y + offset,
        fill: "var(--background)",
        ...paint,
        "stroke-width": 1.25,
      });
    return [
      ...(stack ? [8, 4].map(card) : []),
      svg(
        "g",
        { class: `dst-node dst-node-${lane}`, "data-role": node.role },
        svg("rect", { ...place, fill: "var(--background)" }),
        svg("rect", { ...place, fill: stroke, "fill-opacity": opacity, ...paint }),
        title.map(titleLine),
        rest.map((text, i) => textLine(title.length + i, "dst-secondary", text)),
      ),
    ];
  }

  /** Explain the line styles in use. */
  #updateLegend() {
    const { columns, edges } = this.plan;
    const nodes = columns.flatMap((column) => column.nodes);
    const has = (/** @type {string} */ kind) => edges.some((edge) => edge.kind === kind);
    const entries = [
      { isUsed: has("teaches"), text: "→ teaches" },
      { isUsed: nodes.some(({ state }) => state.includes("frozen")), text: "- - - frozen while teaching" },
      { isUsed: true, text: "— trained" },
      { isUsed: nodes.some(({ kind }) => kind === "baseline"), text: "···· baseline" },
      { isUsed: has("continues"), text: "› continues with the same weights" },
      { isUsed: has("combines"), text: "› derived, not trained" },
      { isUsed: has("shares"), text: "▬ shared layers" },
    ];
    const present = entries.filter(({ isUsed }) => isUsed);
    this.legend.replaceChildren(...present.map(({ text }) => html("span", {}, text)));
  }

  destroy() {
    this.draw.cancel();
    this.stopObserving();
  }
}

export default mount(PlanDiagram, import.meta.url, ["plan_diagram.css"]);
