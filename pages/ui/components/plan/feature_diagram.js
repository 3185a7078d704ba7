// Diagram of the matched feature layers of teacher and student, from the input down to the logits.
//
// Payload: sentence (the text alternative), input (a shape), between (a note on the adapters), student and teacher
// {name, note, layers [Layer]}, links [Link]. Layers of the same level are drawn side by side.

import { setAttributes, svg } from "../shared/dom.js";
import { last } from "../shared/math/collections.js";
import { mount, observeWidth, redrawScheduler } from "../shared/mount.js";
import { cutText, textWidth, withoutBreaks, wrapText } from "../shared/text.js";
import { readTheme } from "../shared/theme.js";

/**
 * @typedef {"teacher" | "student"} Side
 * @typedef {{name: string, shape: string, values: number, level: number, of?: string}} Layer of: the network that it
 *   belongs to, if not that of its side
 * @typedef {{
 *   student: string,
 *   teacher: string,
 *   kind: "matched" | "idle" | "soft" | "labels",
 *   student_adapter?: string,
 *   teacher_adapter?: string,
 * }} Link student and teacher: names of layers; teacher may be "labels"
 * @typedef {{role: Side, text: string, lines: string[], width: number, height: number}} AdapterBox
 */

/** From left to right, as on every page. @type {Side[]} */
const SIDES = ["teacher", "student"];
const MAX_WIDTH = 860;
const NARROW = 560; // below this width, two adapters of one layer are stacked
const BOX_HEIGHT = 46;
const GAP = 16;
const LINE_HEIGHT = 15; // of an adapter's text
const MAX_LINES = 4; // of an adapter
/** @type {Record<string, string>} */
const LINK_TEXTS = { soft: "soft targets", idle: "weight 0" };

class FeatureDiagram {
  #width = 0;
  #key = "";
  /** @type {{input: string, between: string, sentence: string, links: Link[]} & Record<Side, {name: string, note: string, layers: Layer[]}>} */
  data = /** @type {any} */ (null);
  /** Read at every drawing. @type {import("../shared/theme.js").Theme} */
  theme = /** @type {any} */ (null);
  width = 0;
  height = 0;
  column = 0; // width of a network
  isNarrow = false;
  x = { teacher: 0, student: 0, middle: 0 };
  /** @type {Map<Link, {boxes: AdapterBox[], height: number}>} */
  adapters = new Map();
  /** @type {Record<"between" | Side, string[]>} */
  notes = { between: [], teacher: [], student: [] };
  top = 0; // of the input
  /** The y of each level. @type {number[]} */
  levels = [];
  labelsY = 0;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    root.classList.add("dst-feature-diagram");
    this.chart = svg("svg");
    root.append(this.chart);
    this.draw = redrawScheduler(() => this.#draw(), "feature_diagram");
    this.stopObserving = observeWidth(root, (width) => {
      this.#width = width;
      this.draw();
    });
  }

  /** @param {any} data */
  update(data) {
    this.data = data;
    this.draw();
  }

  #draw() {
    if (!this.#width || !this.data?.student) return;
    const theme = readTheme(this.root);
    const key = JSON.stringify([this.data, this.#width, theme.text, theme.font]);
    if (key === this.#key) return;
    this.#key = key;
    this.theme = theme;
    this.#computeLayout();
    const { chart, data, width, height } = this;
    const viewBox = `0 0 ${width} ${height}`;
    setAttributes(chart, { width, height, viewBox, role: "img", "aria-label": data.sentence });
    chart.replaceChildren(
      ...SIDES.map((role) => this.#heading(role)),
      svg("g", {}, this.#smallText(this.notes.between, this.x.middle, 16)),
      ...SIDES.map((role) => this.#trunk(role)),
      this.#plainBox(this.x.middle, this.top + BOX_HEIGHT / 2, "input", data.input),
      ...data.links.map((link) => this.#link(link)),
      ...SIDES.flatMap((role) => this.#layers(role).map((layer) => this.#layer(role, layer))),
      ...data.links.flatMap((link) => [...this.#linkMarkers(link), ...this.#adapterBoxes(link)]),
    );
    const labels = `${theme.role("labels").glyph} labels`;
    if (this.#hasLabels) chart.append(this.#plainBox(this.x.middle, this.labelsY, labels, ""));
  }

  /** @param {number} size */
  #font(size, weight = 400) {
    return `${weight} ${size}px ${this.theme.font}`;
  }
  /**
   * @param {Side} role
   * @returns {Layer[]}
   */
  #layers(role) {
    return this.data[role].layers;
  }
  get #hasLabels() {
    return this.data.links.some(({ teacher }) => teacher === "labels");
  }

  // --- layout -------------------------------------------------------------------------------------------------------

  /** Compute the columns, and the height of each level from its boxes. */
  #computeLayout() {
    const { links, student, teacher, between } = this.data;
    this.width = Math.min(MAX_WIDTH, this.#width);
    this.column = Math.max(86, Math.min(190, 0.27 * this.width));
    this.x = { teacher: this.column / 2 + 1, student: this.width - this.column / 2 - 1, middle: this.width / 2 };
    this.isNarrow = this.width < NARROW;
    const count = 1 + Math.max(...SIDES.flatMap((role) => this.#layers(role)).map(({ level }) => level));
    const heights = new Array(count).fill(BOX_HEIGHT);
    this.adapters = new Map();
    for (const link of links) {
      const adapter = this.#adapter(link);
      if (!adapter) continue;
      this.adapters.set(link, adapter);
      const { level } = this.#find("student", link.student);
      heights[level] = Math.max(heights[level], adapter.height);
    }
    const note = (/** @type {string} */ text, /** @type {number} */ width) =>
      wrapText(text, this.#font(12), width, MAX_LINES);
    this.notes = {
      between: note(between, Math.min(300, this.width - 2 * this.column - 6)),
      teacher: note(teacher.note, this.column),
      student: note(student.note, this.column),
    };
    const rows = [this.notes.between.length - 1, 1 + this.notes.teacher.length, 1 + this.notes.student.length];
    this.top = 32 + LINE_HEIGHT * Math.max(2, ...rows);
    let y = this.top + BOX_HEIGHT + 22;
    this.levels = heights.map((height) => {
      const centre = y + height / 2;
      y += height + GAP;
      return centre;
    });
    this.labelsY = y + 24;
    this.height = this.#hasLabels ? this.labelsY + 20 : y - GAP + 4;
  }

  /**
   * Return the boxes of the adapters of a link, or null if it has none.
   * @param {Link} link
   */
  #adapter(link) {
    const sides = SIDES.filter((role) => link[`${role}_adapter`]);
    if (!sides.length) return null;
    const available = this.width - 2 * this.column - (this.isNarrow ? 20 : 2 * GAP);
    const width = this.isNarrow ? available : Math.min(250, (available - 40) / sides.length - 12);
    const boxes = sides.map((role) => {
      const text = link[`${role}_adapter`] ?? "";
      const mark = sides.length > 1 && this.isNarrow ? `${this.theme.role(role).glyph}\u00a0` : "";
      const lines = wrapText(mark + withoutBreaks(text), this.#font(12), width - 16, MAX_LINES);
      const widest = Math.max(...lines.map((line) => textWidth(line, this.#font(12))));
      return { role, text, lines, width: Math.min(width, widest + 20), height: lines.length * LINE_HEIGHT + 12 };
    });
    const heights = boxes.map(({ height }) => height);
    const height = this.isNarrow ? heights.reduce((sum, one) => sum + one + 6, -6) : Math.max(...heights);
    return { boxes, height };
  }

  /**
   * @param {Side} role
   * @param {string} name
   */
  #find(role, name) {
    return /** @type {Layer} */ (this.#layers(role).find((layer) => layer.name === name));
  }
  /**
   * @param {Side} role
   * @param {string} name
   */
  #y(role, name) {
    return this.levels[this.#find(role, name).level];
  }
  /**
   * Return the width of a box, which grows with the logarithm of the number of the layer's outputs.
   * @param {Layer} layer
   */
  #boxWidth(layer) {
    const maxValues = Math.max(...SIDES.flatMap((role) => this.#layers(role).map(({ values }) => values)));
    const minWidth = Math.min(94, 0.94 * this.column);
    return minWidth + (this.column - minWidth) * (Math.log(layer.values + 1) / Math.log(maxValues + 1)) ** 1.5;
  }
  /**
   * Return both ends of a link. Two links between the same layers are drawn one above the other.
   * @param {Link} link
   */
  #linkEnds(link) {
    const { student, teacher, kind } = link;
    const isParallel = (/** @type {Link} */ other) =>
      other !== link && other.student === student && other.teacher === teacher;
    const shift = !this.data.links.some(isParallel) ? 0 : kind === "soft" ? 8 : -8;
    const end = (/** @type {Side} */ role, /** @type {string} */ name, /** @type {number} */ direction) => {
      const layer = this.#find(role, name);
      return { x: this.x[role] + (direction * this.#boxWidth(layer)) / 2, y: this.levels[layer.level] + shift };
    };
    return { shift, teacher: end("teacher", teacher, 1), student: end("student", student, -1) };
  }

  // --- parts --------------------------------------------------------------------------------------------------------

  /** @param {Side} role */
  #heading(role) {
    const { glyph, colour, name } = this.theme.role(role);
    const x = this.x[role];
    const network = cutText(this.data[role].name, this.#font(12), this.column);
    return svg(
      "g",
      {},
      svg("text", { class: "dst-network", x, y: 16 }, svg("tspan", { fill: colour }, `${glyph} `), name),
      svg("text", { class: "dst-secondary", x, y: 34 }, network),
      this.#smallText(this.notes[role], x, 50),
    );
  }
  /**
   * @param {string[]} lines
   * @param {number} x
   * @param {number} y
   */
  #smallText(lines, x, y) {
    return lines.map((line, i) => svg("text", { class: "dst-secondary", x, y: y + i * LINE_HEIGHT }, line));
  }

  /** @param {Side} role */
  #trunk(role) {
    const x = this.x[role];
    const end = this.#y(role, last(this.#layers(role)).name);
    return svg("path", { class: "dst-trunk", d: `M${this.x.middle} ${this.top + BOX_HEIGHT / 2}H${x}V${end}` });
  }

  /**
   * @param {number} x
   * @param {number} y
   * @param {string} name
   * @param {string} shape
   */
  #plainBox(x, y, name, shape) {
    const [width, height] = [92, shape ? BOX_HEIGHT : 32];
    return svg(
      "g",
      { class: "dst-plain" },
      svg("rect", { x: x - width / 2, y: y - height / 2, width, height, rx: 6 }),
      svg("text", { x, y: shape ? y - 3 : y + 5 }, name),
      shape ? svg("text", { class: "dst-secondary", x, y: y + 14 }, shape) : null,
    );
  }

  /**
   * @param {Side} role
   * @param {Layer} layer
   */
  #layer(role, layer) {
    const { colour, dash } = this.theme.role(layer.of ?? role);
    const x = this.x[role];
    const y = this.levels[layer.level];
    const width = this.#boxWidth(layer);
    const isMatched = this.data.links.some((link) => link[role] === layer.name && link.kind !== "idle");
    const box = { x: x - width / 2, y: y - BOX_HEIGHT / 2, width, height: BOX_HEIGHT, rx: 6 };
    const strength = isMatched
      ? { "stroke-width": 2, "stroke-opacity": 1 }
      : { "stroke-width": 1.25, "stroke-opacity": 0.5 };
    const stroke = { stroke: colour, "stroke-dasharray": dash === "solid" ? "none" : "6 4", ...strength };
    return svg(
      "g",
      { class: isMatched ? "dst-layer" : "dst-layer dst-unmatched" },
      svg("rect", { ...box, fill: "var(--background)" }),
      svg("rect", { ...box, fill: colour, "fill-opacity": isMatched ? 0.1 : 0, ...stroke }),
      svg("text", { class: "dst-layer-name", x, y: y - 3 }, cutText(layer.name, this.#font(13, 600), width - 8)),
      svg("text", { class: "dst-secondary", x, y: y + 14 }, cutText(layer.shape, this.#font(12), width - 6)),
    );
  }

  /** @param {Link} link */
  #link(link) {
    const path = (/** @type {string} */ d) => svg("path", { class: `dst-link dst-link-${link.kind}`, d });
    if (link.teacher === "labels") {
      return path(`M${this.x.student} ${this.#y("student", link.student)}V${this.labelsY}H${this.x.middle}`);
    }
    const { teacher, student, shift } = this.#linkEnds(link);
    const text = LINK_TEXTS[link.kind];
    const place = { x: this.x.middle, y: (teacher.y + student.y) / 2 + (shift > 0 ? 17 : -7) };
    return svg(
      "g",
      {},
      path(`M${teacher.x} ${teacher.y}L${student.x} ${student.y}`),
      text ? svg("text", { class: "dst-secondary dst-outlined", ...place }, text) : null,
    );
  }
  /**
   * Return the markers at both ends of a link.
   * @param {Link} link
   */
  #linkMarkers(link) {
    if (link.kind !== "matched" || link.teacher === "labels") return [];
    const { teacher, student } = this.#linkEnds(link);
    const square = { x: teacher.x - 4, y: teacher.y - 4, width: 8, height: 8, fill: this.theme.role("teacher").colour };
    const circle = { cx: student.x, cy: student.y, r: 4.5, fill: this.theme.role("student").colour };
    return [svg("rect", square), svg("circle", circle)];
  }

  /** @param {Link} link */
  #adapterBoxes(link) {
    const adapter = this.adapters.get(link);
    if (!adapter) return [];
    const centre = (this.#y("student", link.student) + this.#y("teacher", link.teacher)) / 2;
    const totalWidth = adapter.boxes.reduce((sum, { width }) => sum + width + 24, -24);
    let x = this.x.middle - totalWidth / 2;
    let y = centre - adapter.height / 2;
    return adapter.boxes.map(({ role, text, lines, width, height }) => {
      const left = this.isNarrow ? this.x.middle - width / 2 : x;
      const top = this.isNarrow ? y : centre - height / 2;
      x += width + 24;
      y += height + 6;
      const line = (/** @type {string} */ content, /** @type {number} */ i) =>
        svg("text", { x: left + width / 2, y: top + 6 + LINE_HEIGHT * (i + 0.78) }, content);
      return svg(
        "g",
        { class: "dst-adapter", "data-of": role },
        svg("title", {}, text),
        svg("rect", { x: left, y: top, width, height, rx: 4, stroke: this.theme.role("student").colour }),
        lines.map(line),
      );
    });
  }

  destroy() {
    this.draw.cancel();
    this.stopObserving();
  }
}

export default mount(FeatureDiagram, import.meta.url, ["feature_diagram.css"]);
