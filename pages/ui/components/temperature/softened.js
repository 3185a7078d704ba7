// Softened probabilities of every network for one input, as mirrored bars and single numbers.
//
// Payload: store, custom (null, or an input that is no example of the data: {logits: {role: [K]}, classes, label,
// title, src}), pair (two positions of classes, or null), log. Sets the states pair and log.

import { html, setText } from "../shared/dom.js";
import { formatNumber, formatPercent, formatTemperature } from "../shared/format.js";
import { argmax, entropy, klDivergence, softmax } from "../shared/math/softmax.js";
import { mount } from "../shared/mount.js";
import { readTheme } from "../shared/theme.js";
import { MirroredBars } from "../shared/widgets/mirrored_bars.js";
import { ScaleToggle } from "../shared/widgets/scale_toggle.js";
import { describeTopClasses, namedValue, valueLine } from "../shared/widgets/summaries.js";
import { TemperatureComponent } from "./shared/component.js";
import { Figure } from "./shared/figure.js";
import { ROLES } from "./shared/store.js";

/** @typedef {import("../shared/theme.js").Theme} Theme */
/** @typedef {Record<string, number[]>} ByRole */

const MAX_HEIGHT = 560; // pixels; higher charts scroll

class Softened extends TemperatureComponent {
  /** @type {string | undefined} */
  pairClasses;
  /** @type {number[]} */
  currentPair = [];

  /** @param {HTMLElement} root */
  constructor(root) {
    super(root, "softened");
    this.figure = new Figure("soft-targets", () => this.#table());
    this.bars = new MirroredBars(this.figure.chart);
    this.figure.viewport.classList.add("dst-rows");
    this.figure.viewport.addEventListener("scroll", () => this.draw());
    this.figure.beforeExport = () => this.#drawBars(readTheme(this.root), [-Infinity, Infinity]); // all rows
    this.title = html("span", { class: "dst-title" });
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
    const header = html("div", { class: "dst-head" }, this.title, this.scale.node);
    this.root.append(header, this.figure.node, this.summaries, this.pair);
    /** @type {number[] | null} */
    this.chosenPair = null;
  }

  /** @param {any} spec */
  configure({ custom, log, pair }) {
    if (this.isNew("custom", custom)) this.store.set({ custom: custom ?? null });
    if (this.isNew("log", log)) this.scale.set(Boolean(log));
    if (this.isNew("pair", pair)) this.chosenPair = pair ?? null;
  }
  get isReady() {
    return this.store.custom !== null || this.store.isReady;
  }

  /** @param {Theme} theme */
  paint(theme) {
    const { classes, label, title, logits } = this.store.input;
    const hasLogits = ROLES.some((role) => logits[role]);
    const heading = label === null ? title : `${title}, true class ${classes[label]}`;
    setText(this.title, heading);
    const { scrollTop, clientHeight } = this.figure.viewport;
    const logp = this.#drawBars(theme, [scrollTop, scrollTop + Math.max(clientHeight, 600)]);
    this.figure.viewport.tabIndex = this.bars.height > MAX_HEIGHT ? 0 : -1;
    const temperature = formatNumber(this.store.temperature);
    this.figure.describe(
      `Probabilities at temperature ${temperature} for ${heading}: ${describeTopClasses(logp, classes)}.`,
    );
    this.#updateSummaries(logp, classes, theme);
    for (const node of [this.figure.node, this.scale.node, this.summaries, this.pair]) node.hidden = !hasLogits;
    if (!hasLogits) return;
    this.#updatePair(classes, logits);
    this.#updateRatio(theme, logp, logits, classes);
  }

  /**
   * @param {Theme} theme
   * @param {number[]} visible first and last visible row of pixels
   */
  #drawBars(theme, visible) {
    const { classes, label, logits } = this.store.input;
    const roles = ROLES.filter((role) => logits[role]);
    const { temperature } = this.store;
    const data = { classes, roles, logits, label, temperature, log: this.scale.log, visible };
    return this.bars.draw(theme, this.width, data);
  }

  /**
   * @param {ByRole} logp
   * @param {string[]} classes
   * @param {Theme} theme
   */
  #updateSummaries(logp, classes, theme) {
    const forEachRole = (/** @type {(values: number[]) => string} */ text) =>
      Object.entries(logp).map(([role, values]) => namedValue("", text(values), theme.role(role)));
    const top = (/** @type {number[]} */ values) => Math.max(...values);
    const distances = ["student", "baseline"]
      .filter((role) => logp.teacher && logp[role])
      .map((role) => namedValue(`teacher ‖ ${role}`, formatNumber(klDivergence(logp.teacher, logp[role]))));
    const lines = [
      valueLine(
        "Top class",
        forEachRole((values) => `${classes[argmax(values)]} · ${formatPercent(Math.exp(top(values)))}`),
      ),
      valueLine(
        "Probability of all other classes",
        forEachRole((values) => formatNumber(-Math.expm1(top(values)))),
      ),
      valueLine(
        "Entropy (nats)",
        forEachRole((values) => formatNumber(entropy(values))),
      ),
      valueLine("KL divergence (nats)", distances),
    ];
    this.summaries.replaceChildren(...lines.filter((line) => line !== null));
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
    const signed = (/** @type {number} */ logit) => (logit < 0 ? `(${logit.toFixed(2)})` : logit.toFixed(2));
    const lines = Object.keys(logp).map((role) => {
      const [zi, zj] = [logits[role][i], logits[role][j]];
      const ratio = formatNumber(Math.exp(logp[role][i] - logp[role][j]));
      return html(
        "span",
        {},
        `${theme.role(role).glyph} ${ratio} = exp((${zi.toFixed(2)} − ${signed(zj)}) / ${temperature})`,
      );
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
  "../shared/widgets/export.css",
  "shared/figure.css",
  "../shared/widgets/mirrored_bars.css",
  "softened.css",
]);
