// Why the loss has a factor T²: the teacher's gradient norm with and without it, and its share of the gradient.
//
// Payload: bench, alpha (0 to 1), split (a name in the store's splits). Sets the state alpha on release of its slider.

import { html, setAttributes, setText } from "../../shared/dom.js";
import { formatNumber, formatPercent } from "../../shared/format.js";
import { decadeTicks, temperatureAxis } from "../../shared/math/scales.js";
import { spread } from "../../shared/math/spread.js";
import { mount } from "../../shared/mount.js";
import { addEndLabels, addOutlinedText } from "../shared/end_labels.js";
import { Figure } from "../shared/figure.js";
import { Instrument } from "../shared/instrument.js";
import { FRAME_BUDGET, LinePlot } from "../shared/line_plot.js";
import { GradientNorms, teacherShare } from "./gradient_norms.js";

/** @typedef {import("../../shared/math/scales.js").Axis} Axis */
/** @typedef {import("../../shared/theme.js").Theme} Theme */
/** @typedef {import("./gradient_norms.js").Norms} Norms */
/** @typedef {"labels" | "with" | "without"} TermId */
/** @typedef {{id: TermId, role: string, glyph: string, words: string[], style?: {dash: string, width: number}}} Term */

const THIN = { dash: "3px,3px", width: 1.25 };
/** @type {Term[]} */
const TERMS = [
  { id: "labels", role: "labels", glyph: "✕", words: ["Labels"] },
  { id: "with", role: "teacher", glyph: "■", words: ["Teacher", "with T²"] },
  { id: "without", role: "teacher", glyph: "□", words: ["Teacher", "without T²"], style: THIN },
];
/** @type {("with" | "without")[]} */
const TEACHER_TERMS = ["with", "without"];
const MIN_NORM = 1e-6; // the axis goes no lower: smaller norms lie at its foot

/**
 * Write a share, so that rounding does not turn nearly all into all, nor nearly nothing into nothing.
 * @param {number} share
 */
function formatShare(share) {
  if (share === 0) return "0 %";
  if (share < 5e-4) return "under 0.1 %";
  return share < 1 && share >= 0.9995 ? "over 99.9 %" : formatPercent(share);
}

class Gradients extends Instrument {
  /** By the student's logits. @type {WeakMap<Float32Array, GradientNorms>} */
  #norms = new WeakMap();

  /** @param {HTMLElement} root */
  constructor(root) {
    super(root, "gradients");
  }

  build() {
    this.alpha = 0;
    this.isHeld = false;
    /** @type {Norms[]} */
    this.curve = [];
    this.normFigure = new Figure("gradient-norms", () => this.#normTable());
    this.shareFigure = new Figure("gradient-shares", () => this.#shareTable());
    this.normPlot = new LinePlot(this.normFigure.chart);
    this.sharePlot = new LinePlot(this.shareFigure.chart);
    this.about = html("p", { class: "dst-soft" });
    const label = "Alpha, the weight of the teacher in the loss";
    this.slider = html("input", { type: "range", min: 0, max: 1, step: 0.01, "aria-label": label });
    this.slider.addEventListener("input", () => this.#onInput());
    this.slider.addEventListener("change", () => this.sendState("alpha", this.alpha));
    const release = () => {
      this.isHeld = false;
    };
    for (const end of ["change", "pointerup", "pointercancel", "blur"]) this.slider.addEventListener(end, release);
    this.alphaText = html("b", {});
    const ends = ["labels only", "teacher only"].map((text) => html("span", {}, text));
    this.missing = html("p", { class: "dst-empty", hidden: true });
    const shareTitle = html("h3", {}, "Teacher’s share of the gradient, α = ", this.alphaText);
    this.figures = html(
      "div",
      { class: "dst-pair-of-figures" },
      html("div", { class: "dst-norms-head" }, html("h3", {}, "Gradient norm"), this.about),
      this.normFigure.node,
      html("div", {}, shareTitle, this.slider, html("div", { class: "dst-ends", "aria-hidden": "true" }, ends)),
      this.shareFigure.node,
    );
    this.root.append(this.missing, this.figures);
  }
  /** @param {any} spec */
  configure({ alpha }) {
    if (this.isHeld || !this.isNew("alpha", alpha)) return;
    this.alpha = alpha;
    this.slider.value = alpha;
  }
  #onInput() {
    this.isHeld = true;
    this.alpha = Number(this.slider.value);
    this.draw();
  }

  /** A missing network is reported in words. */
  get isReady() {
    return true;
  }
  get #missingText() {
    const { split } = this.spec;
    const [student, teacher] = ["student", "teacher"].map((role) => this.store.logits(role, split));
    if (!student) return "There is no student at this moment, so there is no gradient to measure.";
    if (!teacher)
      return "There is no teacher at this moment, so there is no gradient to compare with that of the labels.";
    const expected = (this.store.splits[split]?.labels.length ?? 0) * this.store.classes.length;
    if (expected && student.length === expected && teacher.length === expected) return "";
    return "There are no labels for these examples, so there is no gradient to measure.";
  }
  /** The norms of the current student, computed once. */
  get norms() {
    const { split } = this.spec;
    const [student, teacher] = ["student", "teacher"].map((role) => this.store.logits(role, split));
    const { labels } = this.store.splits[split];
    const range = this.store.temperatures;
    if (!this.#norms.get(student)?.isOf(student, teacher, labels, range)) {
      this.#norms.set(student, new GradientNorms(student, teacher, labels, range));
    }
    return this.#norms.get(student);
  }

  /** @param {Theme} theme */
  paint(theme) {
    const missing = this.#missingText;
    this.missing.hidden = !missing;
    this.figures.hidden = Boolean(missing);
    setText(this.missing, missing);
    if (missing) return;
    const { norms } = this;
    const current = norms.at(this.store.temperature);
    norms.refine(FRAME_BUDGET);
    if (norms.pending.length) this.draw();
    // Curves are drawn anew when they changed; another temperature moves the marks alone.
    const key = String([norms.pending.length, this.width, theme.dark, theme.background]);
    const isStale = this.drawn?.norms !== norms || key !== this.drawn.key;
    if (isStale) this.curve = norms.curve;
    if (isStale) this.#drawNorms(theme);
    if (isStale || this.alpha !== this.drawn.alpha) this.#drawShares(theme);
    this.drawn = { norms, key, alpha: this.alpha };
    this.#updateNorms(theme, current);
    this.#updateShares(theme, current);
  }

  // --- both figures -----------------------------------------------------------------------------------------------

  /**
   * @param {Figure} figure
   * @param {LinePlot} plot
   * @param {Axis} y
   */
  #setAxes(figure, plot, y) {
    const width = this.width >= 760 ? (this.width - 40) / 2 : this.width;
    const [left, right, height] = [50, 92, width < 480 ? 250 : 290];
    figure.size(width, height + 70);
    const x = temperatureAxis(this.store.temperatures, width < 480);
    plot.setAxes({ x: left, y: 26, width: width - left - right, height }, { x, y });
  }
  /**
   * @param {Theme} theme
   * @param {Term} term
   */
  #style(theme, { role, style }) {
    return { ...theme.role(role), ...style };
  }
  /**
   * @param {Theme} theme
   * @param {LinePlot} plot
   * @param {Record<string, number>} values at the end of the lines
   * @param {Term[]} terms
   */
  #addNames(theme, plot, values, terms) {
    const end = ({ id, role, glyph, words }) => ({
      id,
      value: values[id],
      glyph,
      words,
      colour: theme.role(role).colour,
    });
    addEndLabels(plot, this.store.temperatures[1], terms.map(end));
  }

  // --- gradient norm ----------------------------------------------------------------------------------------------

  /** @param {Theme} theme */
  #drawNorms(theme) {
    // Networks are distilled at T = 1 and above: the norms there decide the axis.
    const relevant = (/** @type {Norms} */ point) =>
      point.temperature < 1 ? [point.labels] : [point.labels, point.with, point.without];
    const norms = this.curve.flatMap(relevant).filter((norm) => norm > 0);
    const exponent = (/** @type {number} */ norm) => Math.log10(Math.max(MIN_NORM, norm));
    const low = norms.length ? Math.floor(exponent(Math.min(...norms))) : -3;
    const high = Math.max(low + 2, norms.length ? Math.ceil(exponent(Math.max(...norms))) : 0);
    const title = "gradient norm, mean per example";
    const axis = { low: 10 ** low, high: 10 ** high, log: true, ticks: decadeTicks(low, high), title };
    this.#setAxes(this.normFigure, this.normPlot, axis);
    // A line ends at the foot of the axis, or its top, instead of running along it.
    const isInside = (/** @type {TermId} */ id, /** @type {number} */ i) =>
      this.curve[i]?.[id] >= axis.low && this.curve[i][id] <= axis.high;
    for (const term of TERMS) {
      const points = this.curve.filter((_, i) => [i - 1, i, i + 1].some((near) => isInside(term.id, near)));
      const line = points.map((point) => [point.temperature, point[term.id]]);
      this.normPlot.line(term.id, line, this.#style(theme, term));
    }
    this.#addNames(theme, this.normPlot, this.curve.at(-1), TERMS);
    const { split } = this.spec;
    const count = this.store.splits[split].labels.length.toLocaleString("en");
    const examples = split === "taught" ? `${count} training examples of the student` : `${count} ${split} examples`;
    setText(this.about, `With respect to the student’s logits, mean over the ${examples}. Both axes are logarithmic.`);
  }
  /**
   * @param {Theme} theme
   * @param {Norms} current
   */
  #updateNorms(theme, current) {
    const T = Number(current.temperature.toFixed(2));
    const plot = this.normPlot;
    plot.rule("now", current.temperature);
    for (const { id, role, glyph } of TERMS) {
      plot.mark(`mark ${id}`, current.temperature, current[id], glyph, theme.role(role).colour);
    }
    const times = (/** @type {number} */ factor) => `${Number(factor.toPrecision(4)).toLocaleString("en")} times`;
    const larger = `${times(1 / (T * T))} larger, since T² is below 1`;
    const ratio = T > 1 ? `T² = ${times(T * T)} smaller` : T < 1 ? larger : "the same, since T² is 1";
    const [withFactor, without] = [current.with, current.without].map(formatNumber);
    const teacher =
      current.with > 0
        ? `that of the teacher is ${withFactor} with the factor T² and ${without} without it: ${ratio}`
        : "that of the teacher is 0: the student’s probabilities equal the teacher’s";
    const caption = `At T = ${T} the gradient norm of the labels is ${formatNumber(current.labels)}, ${teacher}.`;
    const end = this.curve.at(-1);
    const [labels, endWith, endWithout] = [end.labels, end.with, end.without].map(formatNumber);
    const last = `At T = ${end.temperature}: labels ${labels}, teacher with T² ${endWith}, without ${endWithout}.`;
    this.normFigure.describe(`Gradient norm over the temperature. ${caption} ${last}`, caption);
  }
  #normTable() {
    const columns = [
      "temperature",
      "gradient from labels",
      "gradient from teacher with T²",
      "gradient from teacher without T²",
    ];
    return { columns, rows: this.#points.map((point) => [point.temperature, point.labels, point.with, point.without]) };
  }
  /** The current temperature, then the whole curve. */
  get #points() {
    this.norms.refine();
    return [this.norms.at(this.store.temperature), ...this.norms.curve];
  }

  // --- the teacher's share of the gradient ------------------------------------------------------------------------

  /** @param {Theme} theme */
  #drawShares(theme) {
    /** @type {[number, string][]} */
    const ticks = [0, 0.25, 0.5, 0.75, 1].map((tick) => [tick, `${100 * tick} %`]);
    const plot = this.sharePlot;
    this.#setAxes(this.shareFigure, plot, { low: 0, high: 1, log: false, ticks, title: "share of the gradient" });
    const line = (/** @type {"with" | "without"} */ name) =>
      this.curve
        .map((point) => [point.temperature, teacherShare(this.alpha, point, name)])
        .filter(([, share]) => share !== null);
    const [shares, sharesWithout] = TEACHER_TERMS.map(line);
    const level = (/** @type {number} */ height) => shares.map(([x]) => [x, height]);
    const [labels, teacher, teacherWithout] = TERMS.map((term) => this.#style(theme, term));
    plot.band("labels", level(1), shares, { colour: labels.colour, opacity: 0.07 });
    plot.band("teacher", shares, level(0), { colour: teacher.colour, opacity: 0.25 });
    plot.line("with", shares, teacher);
    plot.line("without", sharesWithout, teacherWithout);
    const ends = { with: shares.at(-1)?.[1] ?? 0, without: sharesWithout.at(-1)?.[1] ?? 0 };
    this.#addNames(theme, plot, ends, TERMS.slice(1));
    // Each area is named where it is highest, if there it has room for a line.
    const inner = shares.slice(Math.ceil(shares.length / 8), Math.floor((shares.length * 7) / 8));
    const highest = (/** @type {(share: number) => number} */ height) =>
      inner.reduce((best, point) => (height(point[1]) > height(best[1]) ? point : best), inner[0] ?? [1, 0]);
    const [most, least] = [highest((share) => share), highest((share) => 1 - share)];
    const teacherName = most[1] > 0.1 ? "■ Teacher" : "";
    const labelsName = shares.length && least[1] < 0.9 ? "✕ Labels" : "";
    const style = ({ colour }) => ({ anchor: "middle", colour });
    addOutlinedText(plot, theme, "area teacher", most[0], most[1] / 2, teacherName, style(teacher));
    addOutlinedText(plot, theme, "area labels", least[0], (1 + least[1]) / 2, labelsName, style(labels));
    setText(this.alphaText, this.alpha.toFixed(2));
  }
  /**
   * @param {Theme} theme
   * @param {Norms} current
   */
  #updateShares(theme, current) {
    const T = Number(current.temperature.toFixed(2));
    const plot = this.sharePlot;
    const { x, y, width, height } = plot.box;
    const shares = {
      with: teacherShare(this.alpha, current, "with"),
      without: teacherShare(this.alpha, current, "without"),
    };
    const { colour } = theme.role("teacher");
    const isLeft = plot.x(current.temperature) < x + width - 70;
    plot.rule("now", current.temperature);
    // The numbers keep off their lines: the higher one above its mark, the lower one below, but neither at the very
    // edge.
    const wanted = (/** @type {"with" | "without"} */ name) => {
      const place = plot.y(shares[name]);
      const isHigher = shares[name] >= shares[name === "with" ? "without" : "with"];
      return place + (place < y + 26 || (!isHigher && place < y + height - 26) ? 13 : -13);
    };
    const heights = spread(TEACHER_TERMS.map(wanted), 17, y + 9, y + height - 9);
    TEACHER_TERMS.forEach((name, i) => {
      const value = shares[name] ?? 0;
      const hasGradient = shares[name] !== null;
      const isRepeated = name === "without" && formatShare(shares.with) === formatShare(shares.without);
      plot.mark(`mark ${name}`, current.temperature, value, hasGradient ? TERMS[i + 1].glyph : "", colour);
      const text = hasGradient && !isRepeated ? formatShare(value) : "";
      const style = { anchor: isLeft ? "start" : "end", dx: isLeft ? 10 : -10, dy: heights[i] - plot.y(value), colour };
      addOutlinedText(plot, theme, `value ${name}`, current.temperature, value, text, style);
    });
    const caption = this.#shareSentence(T, shares);
    this.shareFigure.describe(`The teacher’s share of the gradient over the temperature. ${caption}`, caption);
    const spoken =
      shares.with === null ? "no gradient" : `${formatShare(shares.with)} of the gradient from the teacher`;
    setAttributes(this.slider, { "aria-valuetext": `alpha ${this.alpha.toFixed(2)}: ${spoken}` });
  }
  /**
   * @param {number} T
   * @param {{with: number | null, without: number | null}} shares
   */
  #shareSentence(T, shares) {
    const place = `At T = ${T} and α = ${this.alpha.toFixed(2)}`;
    if (shares.with === null) {
      const [fits, agrees] = ["fits its labels exactly", "agrees with the teacher exactly"];
      const why = this.alpha === 0 ? fits : this.alpha === 1 ? agrees : `${fits} and ${agrees}`;
      return `${place} there is no gradient: the student ${why}.`;
    }
    const [teacher, labels] = [shares.with, 1 - shares.with].map(formatShare);
    const first = `${place} the teacher’s gradient norm is ${teacher} of the sum, that of the labels ${labels}.`;
    if (shares.with === 0 || shares.with === 1) return `${first} The factor T² does not change that.`;
    if (T === 1) return `${first} Without the factor T² it is the same: T² is 1.`;
    return `${first} Without the factor T² the teacher’s would be ${formatShare(shares.without)}.`;
  }
  #shareTable() {
    const columns = ["temperature", "alpha", "teacher's share with T²", "teacher's share without T²"];
    const row = (/** @type {Norms} */ point) => TEACHER_TERMS.map((name) => teacherShare(this.alpha, point, name));
    return { columns, rows: this.#points.map((point) => [point.temperature, this.alpha, ...row(point)]) };
  }
}

export default mount(Gradients, import.meta.url, [
  "../../shared/widgets/export.css",
  "../shared/figure.css",
  "gradients.css",
]);
