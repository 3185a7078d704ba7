// Gradient norms from teacher and labels, which show why the loss has a factor T², and the teacher's share of the
// gradient.
//
// Payload: store, alpha (0 to 1), split (a name in the store's splits). Sets the state alpha on release of its slider.

import { html, setAttributes, setText } from "../../shared/dom.js";
import { formatNumber, formatPercent } from "../../shared/format.js";
import { last } from "../../shared/math/collections.js";
import { decadeTicks, temperatureAxis } from "../../shared/math/scales.js";
import { spread } from "../../shared/math/spread.js";
import { mount } from "../../shared/mount.js";
import { FRAME_BUDGET, LinePlot } from "../../shared/widgets/line_plot.js";
import { TemperatureComponent } from "../shared/component.js";
import { addEndLabels, addOutlinedText } from "../shared/end_labels.js";
import { Figure } from "../shared/figure.js";
import { GradientNorms, teacherFraction } from "./gradient_norms.js";

/** @typedef {import("../../shared/math/scales.js").Axis} Axis */
/** @typedef {import("../../shared/theme.js").Theme} Theme */
/** @typedef {import("./gradient_norms.js").Norms} Norms */
/** @typedef {"labels" | "with" | "without"} TermId */
/** @typedef {{id: TermId, role: string, glyph: string, lines: string[], style?: {dash: string, width: number}}} Term */

const THIN = { dash: "3px,3px", width: 1.25 };
/** @type {Term[]} */
const TERMS = [
  { id: "labels", role: "labels", glyph: "✓", lines: ["Labels"] },
  { id: "with", role: "teacher", glyph: "■", lines: ["Teacher", "with T²"] },
  { id: "without", role: "teacher", glyph: "□", lines: ["Teacher", "without T²"], style: THIN },
];
/** @type {("with" | "without")[]} */
const TEACHER_TERMS = ["with", "without"];
const MIN_NORM = 1e-6; // the lowest possible end of the axis

/**
 * Write a fraction as a percentage that is 0 % or 100 % only if the fraction is 0 or 1.
 * @param {number} fraction
 */
function formatFraction(fraction) {
  if (fraction === 0) return "0 %";
  return fraction < 5e-4 ? "< 0.1 %" : formatPercent(fraction);
}

class Gradients extends TemperatureComponent {
  /** By the student's logits. @type {WeakMap<Float32Array, GradientNorms>} */
  #norms = new WeakMap();

  /** What the curves were drawn from. @type {{norms: GradientNorms, key: string, alpha: number} | undefined} */
  drawn;

  /** @param {HTMLElement} root */
  constructor(root) {
    super(root, "gradients");
    this.alpha = 0;
    this.isHeld = false;
    /** @type {Norms[]} */
    this.curve = [];
    this.normFigure = new Figure("gradient-norms", () => this.#normTable());
    this.fractionFigure = new Figure("teacher-gradient-share", () => this.#fractionTable());
    this.normPlot = new LinePlot(this.normFigure.chart);
    this.fractionPlot = new LinePlot(this.fractionFigure.chart);
    this.about = html("p", { class: "dst-muted" });
    const label = "Alpha, the weight of the soft-target loss";
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
    const fractionTitle = html("h3", {}, "Teacher’s share of the gradient, α = ", this.alphaText);
    this.figures = html(
      "div",
      { class: "dst-figure-pair" },
      html("div", { class: "dst-norms-head" }, html("h3", {}, "Gradient norm"), this.about),
      this.normFigure.node,
      html("div", {}, fractionTitle, this.slider, html("div", { class: "dst-ends", "aria-hidden": "true" }, ends)),
      this.fractionFigure.node,
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

  /** Always true, since a missing network is reported as text. */
  get isReady() {
    return true;
  }
  get #missingText() {
    const { split } = this.spec;
    const [student, teacher] = ["student", "teacher"].map((role) => this.store.logits(role, split));
    if (!student) return "This snapshot has no student, so there is no gradient.";
    if (!teacher) return "This snapshot has no teacher, so there is no gradient to compare with that of the labels.";
    const expected = (this.store.splits[split]?.labels.length ?? 0) * this.store.classes.length;
    if (expected && student.length === expected && teacher.length === expected) return "";
    return "These examples have no labels, so there is no gradient.";
  }
  /** The norms of the current student, cached. */
  get norms() {
    const { split } = this.spec;
    const [student, teacher] = ["student", "teacher"].map((role) => this.store.existingLogits(role, split));
    const { labels } = this.store.splits[split];
    const range = this.store.temperatures;
    const cached = this.#norms.get(student);
    if (cached?.isFor(student, teacher, labels, range)) return cached;
    const norms = new GradientNorms(student, teacher, labels, range);
    this.#norms.set(student, norms);
    return norms;
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
    // Curves are redrawn when they change; another temperature only moves the marks.
    const key = String([norms.pending.length, this.width, theme.dark, theme.background]);
    const isStale = this.drawn?.norms !== norms || key !== this.drawn?.key;
    if (isStale) this.curve = norms.curve;
    if (isStale) this.#drawNorms(theme);
    if (isStale || this.alpha !== this.drawn?.alpha) this.#drawFractions(theme);
    this.drawn = { norms, key, alpha: this.alpha };
    this.#updateNorms(theme, current);
    this.#updateFractions(theme, current);
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
   * @param {Record<string, number>} values at the ends of the lines
   * @param {Term[]} terms
   */
  #addNames(theme, plot, values, terms) {
    const end = (/** @type {Term} */ { id, role, glyph, lines }) => ({
      id,
      value: values[id],
      glyph,
      lines,
      colour: theme.role(role).colour,
    });
    addEndLabels(plot, this.store.temperatures[1], terms.map(end));
  }

  // --- gradient norm ----------------------------------------------------------------------------------------------

  /** @param {Theme} theme */
  #drawNorms(theme) {
    // The norms at T ≥ 1 determine the axis, since distillation uses these temperatures.
    const relevant = (/** @type {Norms} */ point) =>
      point.temperature < 1 ? [point.labels] : [point.labels, point.with, point.without];
    const norms = this.curve.flatMap(relevant).filter((norm) => norm > 0);
    const exponent = (/** @type {number} */ norm) => Math.log10(Math.max(MIN_NORM, norm));
    const low = norms.length ? Math.floor(exponent(Math.min(...norms))) : -3;
    const high = Math.max(low + 2, norms.length ? Math.ceil(exponent(Math.max(...norms))) : 0);
    const title = "gradient norm, mean per example";
    const axis = { low: 10 ** low, high: 10 ** high, log: true, ticks: decadeTicks(low, high), title };
    this.#setAxes(this.normFigure, this.normPlot, axis);
    // A line ends at the end of the axis instead of running along it.
    const isInside = (/** @type {TermId} */ id, /** @type {number} */ i) =>
      this.curve[i]?.[id] >= axis.low && this.curve[i][id] <= axis.high;
    for (const term of TERMS) {
      const points = this.curve.filter((_, i) => [i - 1, i, i + 1].some((near) => isInside(term.id, near)));
      const line = points.map((point) => [point.temperature, point[term.id]]);
      this.normPlot.line(term.id, line, this.#style(theme, term));
    }
    this.#addNames(theme, this.normPlot, last(this.curve), TERMS);
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
    plot.verticalLine("now", current.temperature);
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
        : "that of the teacher is 0, since the student’s probabilities equal the teacher’s";
    const caption = `At T = ${T} the gradient norm of the labels is ${formatNumber(current.labels)}, ${teacher}.`;
    const end = last(this.curve);
    const [labels, endWith, endWithout] = [end.labels, end.with, end.without].map(formatNumber);
    const atEnd = `At T = ${end.temperature}: labels ${labels}, teacher with T² ${endWith}, without ${endWithout}.`;
    this.normFigure.describe(`Gradient norm over the temperature. ${caption} ${atEnd}`, caption);
  }
  #normTable() {
    const columns = [
      "temperature",
      "label gradient norm",
      "teacher gradient norm with T²",
      "teacher gradient norm without T²",
    ];
    return { columns, rows: this.#points.map((point) => [point.temperature, point.labels, point.with, point.without]) };
  }
  /** Norms at the current temperature, then the whole curve. */
  get #points() {
    this.norms.refine();
    return [this.norms.at(this.store.temperature), ...this.norms.curve];
  }

  // --- the teacher's share of the gradient ------------------------------------------------------------------------

  /** @param {Theme} theme */
  #drawFractions(theme) {
    /** @type {[number, string][]} */
    const ticks = [0, 0.25, 0.5, 0.75, 1].map((tick) => [tick, `${100 * tick} %`]);
    const plot = this.fractionPlot;
    this.#setAxes(this.fractionFigure, plot, { low: 0, high: 1, log: false, ticks, title: "share of the gradient" });
    const line = (/** @type {"with" | "without"} */ name) =>
      this.curve.flatMap((point) => {
        const fraction = teacherFraction(this.alpha, point, name);
        return fraction === null ? [] : [[point.temperature, fraction]];
      });
    const [fractions, fractionsWithout] = TEACHER_TERMS.map(line);
    const level = (/** @type {number} */ height) => fractions.map(([x]) => [x, height]);
    const [labels, teacher, teacherWithout] = TERMS.map((term) => this.#style(theme, term));
    plot.band("labels", level(1), fractions, { colour: labels.colour, opacity: 0.07 });
    plot.band("teacher", fractions, level(0), { colour: teacher.colour, opacity: 0.25 });
    plot.line("with", fractions, teacher);
    plot.line("without", fractionsWithout, teacherWithout);
    const ends = { with: fractions.at(-1)?.[1] ?? 0, without: fractionsWithout.at(-1)?.[1] ?? 0 };
    this.#addNames(theme, plot, ends, TERMS.slice(1));
    // The name of each area is written where it is highest, if there is room for a line.
    const inner = fractions.slice(Math.ceil(fractions.length / 8), Math.floor((fractions.length * 7) / 8));
    const highest = (/** @type {(fraction: number) => number} */ height) =>
      inner.reduce((best, point) => (height(point[1]) > height(best[1]) ? point : best), inner[0] ?? [1, 0]);
    const [atTeacher, atLabels] = [highest((fraction) => fraction), highest((fraction) => 1 - fraction)];
    const teacherName = atTeacher[1] > 0.1 ? "■ Teacher" : "";
    const labelsName = fractions.length && atLabels[1] < 0.9 ? "✓ Labels" : "";
    const style = (/** @type {{colour: string}} */ { colour }) => ({ anchor: "middle", colour });
    addOutlinedText(plot, theme, "area teacher", atTeacher[0], atTeacher[1] / 2, teacherName, style(teacher));
    addOutlinedText(plot, theme, "area labels", atLabels[0], (1 + atLabels[1]) / 2, labelsName, style(labels));
    setText(this.alphaText, this.alpha.toFixed(2));
  }
  /**
   * @param {Theme} theme
   * @param {Norms} current
   */
  #updateFractions(theme, current) {
    const T = Number(current.temperature.toFixed(2));
    const plot = this.fractionPlot;
    const { x, y, width, height } = plot.box;
    const fractions = {
      with: teacherFraction(this.alpha, current, "with"),
      without: teacherFraction(this.alpha, current, "without"),
    };
    const { colour } = theme.role("teacher");
    const isLeft = plot.x(current.temperature) < x + width - 70;
    plot.verticalLine("now", current.temperature);
    // The higher number is written above its mark, the lower one below, unless that is outside of the plot.
    const preferred = (/** @type {"with" | "without"} */ name) => {
      const [value, other] = [fractions[name] ?? 0, fractions[name === "with" ? "without" : "with"] ?? 0];
      const place = plot.y(value);
      const isHigher = value >= other;
      return place + (place < y + 26 || (!isHigher && place < y + height - 26) ? 13 : -13);
    };
    const heights = spread(TEACHER_TERMS.map(preferred), 17, y + 9, y + height - 9);
    TEACHER_TERMS.forEach((name, i) => {
      const value = fractions[name] ?? 0;
      const hasGradient = fractions[name] !== null;
      const isRepeated =
        name === "without" && formatFraction(fractions.with ?? 0) === formatFraction(fractions.without ?? 0);
      plot.mark(`mark ${name}`, current.temperature, value, hasGradient ? TERMS[i + 1].glyph : "", colour);
      const text = hasGradient && !isRepeated ? formatFraction(value) : "";
      const style = { anchor: isLeft ? "start" : "end", dx: isLeft ? 10 : -10, dy: heights[i] - plot.y(value), colour };
      addOutlinedText(plot, theme, `value ${name}`, current.temperature, value, text, style);
    });
    const caption = this.#fractionSentence(T, fractions);
    this.fractionFigure.describe(`The teacher’s share of the gradient over the temperature. ${caption}`, caption);
    const share =
      fractions.with === null ? "no gradient" : `${formatFraction(fractions.with)} of the gradient from the teacher`;
    setAttributes(this.slider, { "aria-valuetext": `alpha ${this.alpha.toFixed(2)}: ${share}` });
  }
  /**
   * @param {number} T
   * @param {{with: number | null, without: number | null}} fractions
   */
  #fractionSentence(T, fractions) {
    const place = `At T = ${T} and α = ${this.alpha.toFixed(2)}`;
    if (fractions.with === null) {
      const [fits, agrees] = ["fits its labels exactly", "matches the teacher exactly"];
      const why = this.alpha === 0 ? fits : this.alpha === 1 ? agrees : `${fits} and ${agrees}`;
      return `${place} there is no gradient: the student ${why}.`;
    }
    const [teacher, labels] = [fractions.with, 1 - fractions.with].map(formatFraction);
    const first = `${place} the teacher’s gradient norm is ${teacher} of the sum, that of the labels ${labels}.`;
    if (fractions.with === 0 || fractions.with === 1) return `${first} The factor T² does not change this.`;
    if (T === 1) return `${first} Without the factor T² it is the same: T² is 1.`;
    return `${first} Without the factor T² the teacher’s would be ${formatFraction(fractions.without ?? 0)}.`;
  }
  #fractionTable() {
    const columns = [
      "temperature",
      "alpha",
      "teacher's share of the gradient with T²",
      "teacher's share of the gradient without T²",
    ];
    const row = (/** @type {Norms} */ point) =>
      TEACHER_TERMS.map((name) => teacherFraction(this.alpha, point, name) ?? "");
    return { columns, rows: this.#points.map((point) => [point.temperature, this.alpha, ...row(point)]) };
  }
}

export default mount(Gradients, import.meta.url, [
  "../../shared/widgets/export.css",
  "../shared/figure.css",
  "gradients.css",
]);
