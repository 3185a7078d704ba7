// Heat maps of the mean probability of every class by true class, per network (dark knowledge).
//
// Payload: store, diagonal (whether it is visible), cell ([true class, predicted class], positions, or null), log, difference
// (two roles, "student-teacher"). Sets the states diagonal, cell, log, difference and image (the position of an
// example).

import { html, setAttributes, setText, svg } from "../../shared/dom.js";
import { formatNumber, formatTemperature } from "../../shared/format.js";
import { last } from "../../shared/math/collections.js";
import { mount } from "../../shared/mount.js";
import palette from "../../shared/palette.js";
import { ScaleToggle } from "../../shared/widgets/scale_toggle.js";
import { TemperatureComponent } from "../shared/component.js";
import { Figure } from "../shared/figure.js";
import { classMeans, largestOffDiagonal, magnitudeRange, meanDistance } from "./class_means.js";
import { ConfusedExamples } from "./confused_examples.js";
import { formatPoints, formatProbability } from "./format_probability.js";
import { colourRamp, colourScale } from "./heat_scale.js";
import { HeatmapCursor, HeatmapGrid } from "./heatmap.js";

/** @typedef {import("../../shared/theme.js").Theme} Theme */

const DIFFERENCES = [
  ["student", "teacher"],
  ["baseline", "teacher"],
  ["student", "baseline"],
];
const LOG_LOW = 1e-4; // of the logarithmic scale with the diagonal
const DECADES = 4; // of a fitted logarithmic scale
const TINY = 1e-300; // the range where all differences are 0
/** @type {Record<string, unknown>} */
const DEFAULTS = { diagonal: true, log: false, cell: null, difference: null };
let serial = 0;

class DarkKnowledge extends TemperatureComponent {
  /** @type {Map<string, {p: Float64Array, labels: number[], means: Float64Array, counts: number[]}>} */
  #means = new Map();

  /** @type {string | undefined} */
  optionsKey;
  /** @type {string | undefined} */
  shape;
  /** Made by #layOut() before anything is drawn. @type {HeatmapGrid} */
  grid = /** @type {any} */ (null);
  sequential = colourRamp(palette.sequential);
  diverging = this.sequential;
  /** Roles of the drawn difference. @type {string[]} */
  pair = [];

  /** @param {HTMLElement} root */
  constructor(root) {
    super(root, "dark_knowledge");
    this.id = `dst-dark-knowledge-${++serial}`;
    this.diagonal = true;
    this.log = false;
    /** @type {number[] | null} */
    this.cell = null;
    /** @type {string | null} */
    this.difference = null;
    this.firstCell = [0, 1];
    this.figure = new Figure("dark-knowledge", () => this.#table());
    const toggleDiagonal = () => this.#set("diagonal", !this.diagonal);
    this.diagonalButton = html("button", { type: "button", onclick: toggleDiagonal }, "Hide the diagonal");
    this.scale = new ScaleToggle((log) => this.#set("log", log), "colours");
    const choose = () => this.#set("difference", this.select.value);
    this.select = html("select", { "aria-label": "Difference between", onchange: choose });
    this.differenceLabel = html("label", {}, html("span", { class: "dst-muted" }, "Difference "), this.select);
    this.cellText = html("p", { class: "dst-dark-knowledge-cell" });
    this.announcement = html("p", { class: "dst-hidden-text", "aria-live": "polite" });
    const onCell = (/** @type {number[] | null} */ cell) => this.#set("cell", cell);
    const onExample = (/** @type {number} */ index) => {
      this.store.choose(index);
      this.setStateValue("image", index);
    };
    this.examples = new ConfusedExamples({ onCell, onExample });
    this.cursor = new HeatmapCursor(this.figure, {
      at: (x, y) => this.grid?.layout.at(x, y) ?? null,
      first: () => this.cell ?? this.firstCell,
      count: () => this.store.classes.length,
      onMove: () => this.draw(),
      onChoose: onCell,
    });
    const diagonal = html("div", { class: "dst-toggle", role: "group", "aria-label": "Diagonal" }, this.diagonalButton);
    const header = html("div", { class: "dst-dark-knowledge-head" }, diagonal, this.scale.node, this.differenceLabel);
    this.root.append(header, this.cellText, this.announcement, this.figure.node, this.examples.node);
  }

  /**
   * @param {string} state
   * @param {unknown} value
   */
  #set(state, value) {
    Object.assign(this, { [state]: value });
    this.sendState(state, value);
    this.draw();
  }

  /** @param {any} spec */
  configure(spec) {
    for (const [state, fallback] of Object.entries(DEFAULTS)) {
      if (this.isNew(state, spec[state])) Object.assign(this, { [state]: spec[state] ?? fallback });
    }
  }
  get isReady() {
    return this.store.isReady && this.store.roles.length > 0;
  }

  /**
   * Return the mean probabilities (classes × classes) of a network, and the number of examples of each class.
   * @param {string} role
   */
  #meansOf(role) {
    const { store } = this;
    const [{ p }, labels] = [store.softened(role), store.labels];
    const cached = this.#means.get(role);
    if (cached?.p === p && cached.labels === labels) return cached;
    const entry = { p, labels, ...classMeans(p, labels, store.classes.length) };
    this.#means.set(role, entry);
    return entry;
  }
  #table() {
    const { classes, roles, temperature } = this.store;
    const maps = roles.map((role) => this.#meansOf(role));
    const cells = (/** @type {number} */ c, /** @type {number} */ k) =>
      maps.map(({ means }) => means[c * classes.length + k]).map((value) => (Number.isFinite(value) ? value : ""));
    const rows = classes.flatMap((name, c) =>
      classes.map((other, k) => [temperature, name, other, ...cells(c, k), maps[0].counts[c]]),
    );
    return { columns: ["temperature", "true class", "predicted class", ...roles, "examples"], rows };
  }

  /** @param {Theme} theme */
  paint(theme) {
    const { classes, roles } = this.store;
    const count = classes.length;
    if (this.cell && !this.cell.every((place) => place >= 0 && place < count)) this.cell = null;
    if (this.cursor.cell?.some((place) => place >= count)) this.cursor.cell = null;
    setAttributes(this.diagonalButton, { "aria-pressed": String(!this.diagonal) });
    this.scale.set(this.log);
    this.#updateOptions(roles);
    this.#layOut(theme, classes, roles);
    const means = roles.map((role) => this.#meansOf(role).means);
    const scale = this.#scale(means, count);
    means.forEach((values, i) => {
      this.grid.maps[i].draw(values, count, colourScale(scale), this.sequential.pixels, this.diagonal);
    });
    const middle = scale.log ? Math.sqrt(scale.low * scale.high) : scale.high / 2;
    const [low, centre, high] = [scale.low, middle, scale.high].map(formatProbability);
    this.grid.bars[0].setTicks([`${scale.isCut ? "≤ " : ""}${low}`, centre, high]);
    if (this.pair.length) this.#drawDifference(count);
    this.grid.setDiagonalHidden(!this.diagonal);
    this.grid.moveFrame("chosen", this.cell);
    this.grid.moveFrame("pointed", this.cursor.cell);
    this.#describe(classes, roles, count);
    this.examples.draw(theme, this.store, this.cell);
  }

  /** @param {number} count */
  #drawDifference(count) {
    const [first, second] = this.pair.map((role) => this.#meansOf(role).means);
    const values = first.map((value, i) => value - second[i]);
    const { max } = magnitudeRange(values, count, this.diagonal);
    const scale = colourScale({ low: -(max || TINY), high: max || TINY });
    last(this.grid.maps).draw(values, count, scale, this.diverging.pixels, this.diagonal);
    this.grid.bars[1].setTicks([formatPoints(-max), "0", formatPoints(max)]);
  }

  /** @param {string[]} roles */
  #updateOptions(roles) {
    const possible = DIFFERENCES.filter((pair) => pair.every((role) => roles.includes(role)));
    const key = JSON.stringify(possible);
    if (key !== this.optionsKey) {
      this.optionsKey = key;
      const option = (/** @type {string[]} */ pair) => html("option", { value: pair.join("-") }, pair.join(" − "));
      this.select.replaceChildren(...possible.map(option));
      this.differenceLabel.hidden = possible.length === 0;
    }
    this.pair = possible.find((pair) => pair.join("-") === this.difference) ?? possible[0] ?? [];
    if (this.pair.length && this.select.value !== this.pair.join("-")) this.select.value = this.pair.join("-");
  }

  /**
   * Return the colour scale. With the diagonal it is fixed, so that colours are comparable between temperatures; without
   * the diagonal it is fitted to the data.
   * @param {Float64Array[]} means
   * @param {number} count
   */
  #scale(means, count) {
    const { log } = this;
    if (this.diagonal) return { low: log ? LOG_LOW : 0, high: 1, log, isCut: log };
    const ranges = means.map((values) => magnitudeRange(values, count, false));
    const high = Math.max(...ranges.map(({ max }) => max));
    const lowest = Math.min(...ranges.map(({ min }) => min));
    const floor = high / 10 ** DECADES;
    return { low: log ? Math.max(lowest, floor) : 0, high, log, isCut: log && lowest < floor };
  }

  /**
   * Create the nodes when the shape of the maps changes.
   * @param {Theme} theme
   * @param {string[]} classes
   * @param {string[]} roles
   */
  #layOut(theme, classes, roles) {
    const shape = JSON.stringify([this.width, classes, roles, this.pair, theme.dark, theme.font]);
    if (shape === this.shape) return;
    this.shape = shape;
    /** @type {(string | (string | Node)[])[]} */
    const titles = roles.map((role) => {
      const { glyph, name, colour } = theme.role(role);
      return [svg("tspan", { fill: colour }, glyph), ` ${name}`];
    });
    const bars = [{ ramp: this.sequential, title: "mean probability" }];
    if (this.pair.length) {
      const [first, second] = this.pair;
      this.diverging = colourRamp(palette.diverging);
      titles.push(`${first[0].toUpperCase()}${first.slice(1)} − ${second}`);
      bars.push({ ramp: this.diverging, title: `percentage points (left: ${second} higher, right: ${first} higher)` });
    }
    this.grid = new HeatmapGrid(this.id, this.figure, theme, this.width, classes, titles, bars);
  }

  /**
   * @param {string[]} classes
   * @param {string[]} roles
   * @param {number} count
   */
  #describe(classes, roles, count) {
    const { means, counts } = this.#meansOf(roles[0]);
    const split = this.store.split === "test" ? "test" : "validation";
    const largest = largestOffDiagonal(means, count, 3).filter((at) => means[at] > 0);
    this.firstCell = largest.length ? [Math.floor(largest[0] / count), largest[0] % count] : [0, 1];
    setText(this.cellText, this.#cellSentence(this.cursor.cell ?? this.cell, classes, roles, counts, split));
    if (this.cursor.isByKey) setText(this.announcement, this.cellText.textContent);
    this.cursor.isByKey = false;
    const pairs = largest.map((at) => [
      classes[Math.floor(at / count)],
      classes[at % count],
      formatProbability(means[at]),
    ]);
    const largestMeans = (/** @type {string} */ texts) =>
      pairs.length ? ` Largest means of the ${roles[0]} off the diagonal: ${texts}.` : "";
    const empty = classes.filter((_, c) => !counts[c]);
    const more = empty.length > 6 ? ` and ${empty.length - 6} more` : "";
    const missing = empty.length ? ` No ${split} examples of ${empty.slice(0, 6).join(", ")}${more}: blank.` : "";
    const distance = (/** @type {string} */ role) =>
      `${role} ${formatNumber(100 * meanDistance(means, this.#meansOf(role).means, count))} points`;
    const distances = roles.slice(1).map(distance).join(", ");
    const first = distances && ` Mean absolute difference from the ${roles[0]} off the diagonal: ${distances}.`;
    const hidden = this.diagonal ? "" : " The diagonal is hidden; the colours are fitted to the rest.";
    const rest = `${first}${missing}${hidden}`;
    const basis = `T = ${formatTemperature(this.store.temperature)}, ${this.store.labels.length} ${split} examples.`;
    const size = `${count} by ${count}, from ${roles.join(", ")}`;
    const asText = largestMeans(pairs.map(([c, k, p]) => `true class ${c}, predicted class ${k}, ${p}`).join("; "));
    this.figure.describe(
      `Mean probability of every predicted class for every true class, ${size}. ${basis}${asText}${rest}`,
      `${basis}${largestMeans(pairs.map(([c, k, p]) => `true ${c} → ${k} (${p})`).join(", "))}${rest}`,
    );
  }

  /**
   * @param {number[] | null} cell
   * @param {string[]} classes
   * @param {string[]} roles
   * @param {number[]} counts
   * @param {string} split
   */
  #cellSentence(cell, classes, roles, counts, split) {
    if (!cell) return "Point at a cell for its value, choose it for its examples.";
    const [c, k] = cell;
    if (!counts[c]) return `There is no ${split} example of class ${classes[c]}.`;
    const values = roles.map(
      (role) => `${role} ${formatProbability(this.#meansOf(role).means[c * classes.length + k])}`,
    );
    const examples = `${counts[c]} example${counts[c] === 1 ? "" : "s"}`;
    return `Mean probability of ${classes[k]} for the ${examples} of class ${classes[c]}: ${values.join(", ")}.`;
  }
}

export default mount(DarkKnowledge, import.meta.url, [
  "../../shared/widgets/export.css",
  "../shared/figure.css",
  "dark_knowledge.css",
]);
