// The way from an input's logits to softened probabilities, with the numbers of one network, mirrored bars of all
// networks, a sentence about what to notice at this temperature, and single numbers.
//
// Payload: store, custom (null, or an input that is no example of the data: {logits: {role: [K]}, classes, label,
// title, src}), network (a role), pair (two positions of classes, or null), log, terms {name: definition} (of
// shared/widgets/terms.js). Sets the states network, pair and log.

import { html, setAttributes, setText, svg } from "../../shared/dom.js";
import { formatNumber, formatPercent, formatTemperature } from "../../shared/format.js";
import { argmax, entropy, klDivergence, softmax } from "../../shared/math/softmax.js";
import { mount } from "../../shared/mount.js";
import { readTheme } from "../../shared/theme.js";
import { MirroredBars } from "../../shared/widgets/mirrored_bars.js";
import { ScaleToggle } from "../../shared/widgets/scale_toggle.js";
import { describeTopClasses, namedValue } from "../../shared/widgets/summaries.js";
import { termNode } from "../../shared/widgets/terms.js";
import { TemperatureComponent } from "../shared/component.js";
import { Figure } from "../shared/figure.js";
import { ROLES } from "../shared/store.js";
import { noticeAt } from "./notice.js";
import { formatLogit, NumberColumns } from "./number_columns.js";

/** @typedef {import("../../shared/theme.js").Theme} Theme */
/** @typedef {Record<string, number[]>} ByRole */

const MIN_WIDE = 640; // pixels from which the numbers stand beside the bars
const MAX_BESIDE = 460; // pixels of the numbers beside the bars
const SOFTMAX_ARROW = 84; // pixels between numbers and bars
const SHORT_LIST = 12; // classes; more scroll
const MANY = 8; // the most probable of more classes, where the numbers stand above the bars
const WIDE_ROW = [28, 40]; // pixels of a class, at least and at most
const AROUND = 440; // pixels of the window that are not rows
const STACKED_ROW = 26;
const STACKED_TOP = 22;

class Softened extends TemperatureComponent {
  /** @type {string | undefined} */
  pairClasses;
  /** @type {number[]} */
  currentPair = [];
  /** @type {string | undefined} */
  terms;
  /** @type {string | undefined} */
  chainPlaces;
  /** @type {string | undefined} */
  networkKey;
  /** @type {string | undefined} */
  scrolledTo;

  /** @param {HTMLElement} root */
  constructor(root) {
    super(root, "softened");
    this.figure = new Figure("soft-targets", () => this.#table());
    this.numbers = new NumberColumns();
    this.barChart = svg("svg");
    this.softmaxArrow = svg("line", { class: "dst-arrow", "marker-end": `url(#${this.numbers.arrowHead})` });
    this.figure.chart.append(this.numbers.node, this.softmaxArrow, this.barChart);
    this.bars = new MirroredBars(this.barChart);
    this.figure.viewport.addEventListener("scroll", () => this.draw());
    this.figure.beforeExport = () => this.#drawChart(readTheme(this.root), [-Infinity, Infinity]); // all rows
    this.title = html("span", { class: "dst-title" });
    this.notice = html("p", { class: "dst-notice", "aria-live": "off" });
    this.chain = html("div", { class: "dst-chain" });
    this.network = "teacher";
    const networkButton = (/** @type {string} */ role) =>
      html("button", { type: "button", onclick: () => this.#chooseNetwork(role) }, role);
    this.networks = Object.fromEntries(ROLES.map((role) => [role, networkButton(role)]));
    const group = { class: "dst-toggle", role: "group", "aria-label": "Network whose logits are shown" };
    this.networkToggle = html("div", group, Object.values(this.networks));
    this.scale = new ScaleToggle((log) => {
      this.draw();
      this.sendState("log", log);
    });
    this.summaries = html("div", { class: "dst-summaries", "aria-live": "off" });
    const select = (/** @type {string} */ which) =>
      html("select", { "aria-label": `${which} class of the ratio`, onchange: () => this.#choosePair() });
    this.selects = ["First", "Second"].map(select);
    this.ratio = html("p", { class: "dst-ratio" });
    const muted = (/** @type {string} */ text) => html("span", { class: "dst-muted" }, text);
    const [first, second] = this.selects;
    this.pair = html("div", { class: "dst-pair" }, muted("Ratio of"), first, muted("to"), second, this.ratio);
    const header = html("div", { class: "dst-head" }, this.title, this.networkToggle, this.scale.node);
    this.root.append(header, this.notice, this.chain, this.figure.node, this.summaries, this.pair);
    /** @type {number[] | null} */
    this.chosenPair = null;
  }

  /** @param {any} spec */
  configure({ custom, log, network, pair, terms }) {
    if (this.isNew("custom", custom)) this.store.set({ custom: custom ?? null });
    if (this.isNew("log", log)) this.scale.set(Boolean(log));
    if (this.isNew("network", network)) this.network = network ?? "teacher";
    if (this.isNew("pair", pair)) this.chosenPair = pair ?? null;
    const key = JSON.stringify(terms);
    if (key !== this.terms) this.#addTerms(terms);
    this.terms = key;
  }
  get isReady() {
    return this.store.custom !== null || this.store.isReady;
  }

  /**
   * Write the names of the stages and of the summaries, with the definitions of their terms.
   * @param {Record<string, import("../../shared/widgets/terms.js").Definition>} terms
   */
  #addTerms(terms) {
    const term = (/** @type {string} */ name, text = name) => termNode({ ...terms[name], text });
    const arrow = () => html("span", { class: "dst-chain-arrow", "aria-hidden": "true" }, "→");
    this.stages = [
      html("span", {}, arrow(), " ", term("logit", "Logits"), " z"),
      html("span", {}, arrow(), " divided by ", term("temperature", "T")),
      html("span", {}, arrow(), " ", term("softmax", "softmax"), " → ", term("soft target", "soft targets")),
    ];
    this.chain.replaceChildren(...this.stages);
    this.chainPlaces = undefined;
    const line = (/** @type {Node[]} */ ...name) => {
      const values = html("span", { style: "display: contents" });
      return { values, node: html("p", {}, html("span", { class: "dst-muted" }, name), values) };
    };
    const text = (/** @type {string} */ words) => document.createTextNode(words);
    this.lines = {
      top: line(text("Top class")),
      others: line(text("All other classes")),
      entropy: line(term("entropy", "Entropy"), text(" ("), term("nats"), text(")")),
      divergence: line(term("KL divergence"), text(" (nats)")),
    };
    this.summaries.replaceChildren(...Object.values(this.lines).map(({ node }) => node));
  }
  /** @param {string} role */
  #chooseNetwork(role) {
    this.network = role;
    this.sendState("network", role);
    this.draw();
  }
  /** The network whose numbers are shown, the chosen one if this input has its logits. */
  get currentNetwork() {
    const { logits } = this.store.input;
    return logits[this.network] ? this.network : (ROLES.find((role) => logits[role]) ?? "teacher");
  }

  /** @param {Theme} theme */
  paint(theme) {
    const { classes, label, title, logits } = this.store.input;
    const hasLogits = ROLES.some((role) => logits[role]);
    const heading = label === null ? title : `${title}, true class ${classes[label]}`;
    setText(this.title, heading);
    const parts = [this.notice, this.chain, this.figure.node, this.networkToggle, this.scale.node];
    for (const node of [...parts, this.summaries, this.pair]) node.hidden = !hasLogits;
    if (!hasLogits) return;
    const { scrollTop, clientHeight } = this.figure.viewport;
    const logp = this.#drawChart(theme, [scrollTop, scrollTop + Math.max(clientHeight, 900)]);
    const role = this.currentNetwork;
    const { temperature } = this.store;
    const network = theme.role(role).name.toLowerCase();
    const notice = noticeAt({ network, logits: logits[role], classes, label, temperature });
    setText(this.notice, notice);
    const isLong = classes.length > SHORT_LIST;
    this.figure.viewport.classList.toggle("dst-rows", isLong);
    this.figure.viewport.tabIndex = isLong ? 0 : -1;
    const tops = describeTopClasses(logp, classes);
    this.figure.describe(
      `Probabilities at temperature ${formatNumber(temperature)} for ${heading}: ${tops}. ${notice}`,
    );
    if (isLong) this.#scrollToTopClass(logits[role]);
    this.#updateNetworks(theme, role);
    this.#updateSummaries(logp, classes, theme);
    this.#updatePair(classes, logits);
    this.#updateRatio(theme, logp, logits, classes);
  }

  /**
   * Draw numbers and bars side by side, or one above the other where there is no room. Return the log-probabilities.
   * @param {Theme} theme
   * @param {number[]} visible first and last visible row of pixels
   */
  #drawChart(theme, visible) {
    const { classes, label, logits } = this.store.input;
    const { temperature } = this.store;
    const { log } = this.scale;
    const roles = ROLES.filter((role) => logits[role]);
    const role = this.currentNetwork;
    const isWide = this.width >= MIN_WIDE;
    const isLong = classes.length > SHORT_LIST;
    const count = isWide || !isLong ? classes.length : MANY;
    const numbersWidth = isWide ? Math.min(MAX_BESIDE, Math.round(0.44 * this.width)) : this.width;
    const above = isWide ? 0 : STACKED_TOP + count * STACKED_ROW + 34;
    const x = isWide ? numbersWidth + SOFTMAX_ARROW : 0;
    const shifted = visible.map((y) => y - above);
    const fitting = Math.floor((innerHeight - AROUND) / classes.length);
    const row = isWide ? Math.max(WIDE_ROW[0], Math.min(WIDE_ROW[1], fitting)) : undefined;
    const data = { classes, roles, logits, label, temperature, log, visible: shifted, row };
    const logp = this.bars.draw(theme, this.width - x, data);
    const stackedRow = (/** @type {unknown} */ _, /** @type {number} */ i) => ({
      top: STACKED_TOP + i * STACKED_ROW,
      bottom: STACKED_TOP + (i + 1) * STACKED_ROW,
    });
    const places = isWide
      ? this.bars.rows.map(({ top, bottom }) => ({ top, bottom }))
      : Array.from({ length: count }, stackedRow);
    const all = classes.map((_, k) => k);
    const ranked = () => all.sort((a, b) => logits[role][b] - logits[role][a]).slice(0, MANY);
    const order = count < classes.length ? ranked() : all;
    const { colour } = theme.role(role);
    const numbers = { logits: logits[role], classes, label, temperature, colour, order, visible };
    this.numbers.draw(theme, numbersWidth, places, numbers);
    this.#place(isWide, numbersWidth, x, above, places);
    return logp;
  }

  /**
   * Place the bars, and the names of the stages above their columns, or in one line where the columns are stacked.
   * @param {boolean} isWide
   * @param {number} numbersWidth
   * @param {number} x left end of the bars
   * @param {number} above pixels above the bars
   * @param {import("./number_columns.js").Row[]} places
   */
  #place(isWide, numbersWidth, x, above, places) {
    const height = above + this.bars.height;
    const { columns } = this.numbers;
    const key = [isWide, this.width, numbersWidth, x, height, places[0].top, places.length, ...columns].join();
    if (key === this.chainPlaces || !this.stages) return;
    this.chainPlaces = key;
    setAttributes(this.barChart, { x, y: above });
    this.figure.size(this.width, height);
    this.chain.className = `dst-chain dst-chain-${isWide ? "wide" : "stacked"}`;
    const [logits, quotients] = columns;
    [Math.max(0, logits - 22), quotients - 22, x - SOFTMAX_ARROW + 12].forEach((left, i) => {
      setAttributes(this.stages?.[i] ?? this.chain, { style: isWide ? `left: ${left}px` : "" });
    });
    const y = isWide ? (places[0].top + places[Math.min(places.length, 10) - 1].bottom) / 2 : 0;
    const down = { x1: this.width / 2, x2: this.width / 2, y1: above - 28, y2: above - 8 };
    setAttributes(this.softmaxArrow, isWide ? { x1: numbersWidth + 16, x2: x - 12, y1: y, y2: y } : down);
  }

  /**
   * Scroll a long list to the top class of a new input, where numbers and bars are side by side.
   * @param {number[]} logits
   */
  #scrollToTopClass(logits) {
    const key = [this.store.index, this.store.input.title, this.width >= MIN_WIDE].join();
    if (key === this.scrolledTo || this.width < MIN_WIDE) return;
    this.scrolledTo = key;
    const { viewport } = this.figure;
    const { top, bottom } = this.bars.rows[argmax(logits)];
    viewport.scrollTop = (top + bottom - viewport.clientHeight) / 2;
  }

  /**
   * @param {Theme} theme
   * @param {string} current
   */
  #updateNetworks(theme, current) {
    const roles = Object.keys(this.store.input.logits);
    const key = [current, ...roles].join();
    if (key === this.networkKey) return;
    this.networkKey = key;
    for (const [role, button] of Object.entries(this.networks)) {
      const { glyph, name } = theme.role(role);
      button.hidden = !roles.includes(role);
      setText(button, `${glyph} ${name.replace(" student", "")}`);
      setAttributes(button, { "aria-pressed": String(role === current) });
    }
  }

  /**
   * @param {ByRole} logp
   * @param {string[]} classes
   * @param {Theme} theme
   */
  #updateSummaries(logp, classes, theme) {
    if (!this.lines) return;
    const forEachRole = (/** @type {(values: number[]) => string} */ text) =>
      Object.entries(logp).map(([role, values]) => namedValue("", text(values), theme.role(role)));
    const top = (/** @type {number[]} */ values) => Math.max(...values);
    const distances = ["student", "baseline"]
      .filter((role) => logp.teacher && logp[role])
      .map((role) => namedValue(`teacher ‖ ${role}`, formatNumber(klDivergence(logp.teacher, logp[role]))));
    const values = {
      top: forEachRole((one) => `${classes[argmax(one)]} · ${formatPercent(Math.exp(top(one)))}`),
      others: forEachRole((one) => formatNumber(-Math.expm1(top(one)))),
      entropy: forEachRole((one) => formatNumber(entropy(one))),
      divergence: distances,
    };
    for (const [name, line] of Object.entries(this.lines)) {
      const nodes = values[/** @type {keyof typeof values} */ (name)];
      line.node.hidden = nodes.length === 0;
      line.values.replaceChildren(...nodes);
    }
  }

  // --- the ratio of two classes -----------------------------------------------------------------------------------

  /**
   * Show the chosen pair, by default the two most probable classes of the first network, the teacher if there is one.
   * @param {string[]} classes
   * @param {ByRole} logits
   */
  #updatePair(classes, logits) {
    const key = JSON.stringify(classes);
    if (key !== this.pairClasses) {
      this.pairClasses = key;
      for (const select of this.selects) {
        select.replaceChildren(...classes.map((name, k) => html("option", { value: k }, name)));
      }
    }
    const [first] = Object.values(logits);
    const ranked = first.map((_, k) => k).sort((a, b) => first[b] - first[a]);
    const isValid = this.chosenPair?.every((k) => k >= 0 && k < classes.length);
    this.currentPair = (isValid && this.chosenPair) || ranked.slice(0, 2);
    this.selects.forEach((select, i) => {
      if (Number(select.value) !== this.currentPair[i]) select.value = String(this.currentPair[i]);
    });
  }
  #choosePair() {
    this.chosenPair = this.selects.map((select) => Number(select.value));
    this.sendState("pair", this.chosenPair);
    this.draw();
  }
  /**
   * @param {Theme} theme
   * @param {ByRole} logp
   * @param {ByRole} logits
   * @param {string[]} classes
   */
  #updateRatio(theme, logp, logits, classes) {
    const [i, j] = this.currentPair;
    const [a, b] = [classes[i], classes[j]];
    const temperature = formatTemperature(this.store.temperature);
    const signed = (/** @type {number} */ logit) => (logit < 0 ? `(${formatLogit(logit)})` : formatLogit(logit));
    const lines = Object.keys(logp).map((role) => {
      const [zi, zj] = [logits[role][i], logits[role][j]];
      const ratio = formatNumber(Math.exp(logp[role][i] - logp[role][j]));
      const { glyph, colour } = theme.role(role);
      const mark = html("i", { style: `color: ${colour}` }, glyph);
      return html("span", {}, mark, ` ${ratio} = exp((${formatLogit(zi)} − ${signed(zj)}) / ${temperature})`);
    });
    const formula = `p(${a}) / p(${b}) = exp((z(${a}) − z(${b})) / T)`;
    this.ratio.replaceChildren(html("span", { class: "dst-muted" }, formula), ...lines);
  }

  #table() {
    const { classes, label, logits } = this.store.input;
    const { temperature } = this.store;
    const roles = ROLES.filter((role) => logits[role]);
    const p = roles.map((role) => softmax(logits[role], temperature));
    const cells = (/** @type {number} */ k) => roles.flatMap((role, i) => [logits[role][k], p[i][k]]);
    return {
      columns: ["class", "label", "temperature", ...roles.flatMap((role) => [`${role} logit`, `${role} p`])],
      rows: classes.map((name, k) => [name, label === null ? "" : Number(k === label), temperature, ...cells(k)]),
    };
  }
}

export default mount(Softened, import.meta.url, [
  "../../shared/widgets/export.css",
  "../../shared/widgets/mirrored_bars.css",
  "../../shared/widgets/terms.css",
  "../shared/figure.css",
  "softened.css",
]);
