// Comparison of sources of soft targets, namely one-hot label, label smoothing, virtual teacher and teacher.
//
// Payload: store, options [{name, label, low, high, step, value}] with the names smoothing and correct_probability,
// log. Sets the states smoothing, correct_probability and log. The virtual teacher follows Yuan et al. 2020 (Tf-KD).

import { html, setText } from "../../shared/dom.js";
import { formatNumber, formatPercent } from "../../shared/format.js";
import { last } from "../../shared/math/collections.js";
import { decadeTicks, temperatureAxis, temperatureGrid } from "../../shared/math/scales.js";
import { argmax, entropy, logSoftmax } from "../../shared/math/softmax.js";
import { mount } from "../../shared/mount.js";
import { LinePlot } from "../../shared/widgets/line_plot.js";
import { ScaleToggle } from "../../shared/widgets/scale_toggle.js";
import { TemperatureComponent } from "../shared/component.js";
import { addEndLabels } from "../shared/end_labels.js";
import { Figure } from "../shared/figure.js";
import { ROLES } from "../shared/store.js";
import { DistributionLanes, MAX_ROWS, TOP_CLASSES } from "./distribution_lanes.js";
import { formatOption, OptionSlider } from "./option_slider.js";

/** @typedef {import("../../shared/theme.js").Theme} Theme */
/** @typedef {import("./distribution_lanes.js").Source} Source */
/** @typedef {{temperature: number, [source: string]: number}} Divergences by source, in nats */
/**
 * @typedef {{
 *   classes: string[],
 *   title: string,
 *   label: number,
 *   predictedBy: string | null,
 *   teacher: number[] | null,
 *   range: number[],
 *   smoothing: number,
 *   certainty: number,
 * }} Setup label: -1 for none; predictedBy: the network whose top class replaces a missing label; teacher: logits
 */

/** @typedef {{id: string, title: string, role: string, glyph: string, style?: {dash: string, width: number}}} SourceSpec */
/** @type {SourceSpec[]} */
const SOURCES = [
  { id: "one-hot", title: "One-hot label", role: "labels", glyph: "✓" },
  {
    id: "smoothing",
    title: "Label smoothing",
    role: "labels",
    glyph: "◇",
    style: { dash: "8px,3px,2px,3px", width: 1.5 },
  },
  { id: "virtual", title: "Virtual teacher", role: "teacher", glyph: "□", style: { dash: "3px,3px", width: 1.5 } },
  { id: "teacher", title: "Teacher", role: "teacher", glyph: "■" },
];
const COLUMN_NAMES = SOURCES.map(({ id, title }) => ({ id, name: title.toLowerCase().replace(" label", "") }));
const MIN_DIVERGENCE = 1e-8; // nats, the lowest possible end of the axis

class TargetSources extends TemperatureComponent {
  /** @type {string | undefined} */
  curveKey;
  /** @type {string | undefined} */
  shape;
  /** @type {Divergences[]} */
  curve = [];

  /** @param {HTMLElement} root */
  constructor(root) {
    super(root, "target_sources");
    /** @type {OptionSlider[]} */
    this.sliders = [];
    this.options = html("div", { class: "dst-options" });
    this.title = html("span", { class: "dst-title" });
    this.scale = new ScaleToggle((log) => {
      this.sendState("log", log);
      this.draw();
    });
    this.classFigure = new Figure("target-sources", () => this.#classTable());
    this.lanes = new DistributionLanes(this.classFigure.chart);
    this.divergenceFigure = new Figure("target-divergences", () => this.#divergenceTable());
    this.plot = new LinePlot(this.divergenceFigure.chart);
    const missing = "This input has neither a label nor logits, so there is no target to compare.";
    this.missing = html("p", { class: "dst-empty", hidden: true }, missing);
    const divergenceTitle = html("span", { class: "dst-title" }, "KL divergence from the uniform distribution");
    this.figures = html(
      "div",
      { class: "dst-figure-pair" },
      html("div", {}, html("div", { class: "dst-head" }, this.title, this.scale.node), this.classFigure.node),
      html("div", {}, html("div", { class: "dst-head" }, divergenceTitle), this.divergenceFigure.node),
    );
    this.root.append(this.options, this.missing, this.figures);
  }

  /** @param {{options?: import("./option_slider.js").OptionSpec[], log?: boolean}} spec */
  configure({ options = [], log }) {
    if (this.isNew("log", log)) this.scale.set(Boolean(log));
    if (String(options.map(({ name }) => name)) !== String(this.sliders.map(({ name }) => name))) {
      const slider = (/** @type {import("./option_slider.js").OptionSpec} */ option) =>
        new OptionSlider(option, {
          onInput: () => this.draw(),
          onChange: (value) => this.setStateValue(option.name, value),
        });
      this.sliders = options.map(slider);
      this.options.replaceChildren(...this.sliders.map(({ node }) => node));
    }
    options.forEach((option, i) => {
      this.sliders[i].update(option);
    });
  }
  get isReady() {
    return this.store.custom !== null || this.store.isReady;
  }

  // --- the distributions ------------------------------------------------------------------------------------------

  /** @param {string} name */
  #option(name) {
    return this.sliders.find((slider) => slider.name === name)?.value ?? 0;
  }

  /** @returns {Setup} */
  #setup() {
    const { classes, label, title, logits } = this.store.input;
    const predictedBy = label === null ? (ROLES.find((role) => logits[role]) ?? null) : null;
    return {
      classes,
      title: title ?? "This input",
      label: label ?? (predictedBy ? argmax(logits[predictedBy]) : -1),
      predictedBy,
      teacher: logits.teacher ?? null,
      range: this.store.temperatures,
      smoothing: this.#option("smoothing"),
      certainty: this.#option("correct_probability"),
    };
  }

  /**
   * @param {Setup} setup
   * @param {number} temperature
   * @returns {Divergences}
   */
  #divergences(setup, temperature) {
    const targets = targetsOf(setup, temperature);
    const divergence = (/** @type {number[]} */ logp) => Math.max(0, Math.log(logp.length) - entropy(logp));
    return { temperature, ...Object.fromEntries(Object.entries(targets).map(([id, logp]) => [id, divergence(logp)])) };
  }

  /** @param {Theme} theme */
  paint(theme) {
    const setup = this.#setup();
    const isEmpty = setup.label < 0;
    this.missing.hidden = !isEmpty;
    this.figures.hidden = isEmpty;
    if (isEmpty) return;
    const { temperature } = this.store;
    const targets = targetsOf(setup, temperature);
    const styled = (/** @type {SourceSpec} */ { id, title, role, glyph, style }) => ({
      ...theme.role(role),
      ...style,
      id,
      title,
      glyph,
    });
    const sources = SOURCES.filter(({ id }) => targets[id]).map(styled);
    this.#updateClasses(theme, setup, sources, targets);
    this.#updateDivergences(theme, setup, sources, this.#divergences(setup, temperature));
  }
  get figureWidth() {
    return this.width >= 760 ? (this.width - 40) / 2 : this.width;
  }

  // --- probability of each class ----------------------------------------------------------------------------------

  /**
   * @param {Theme} theme
   * @param {Setup} setup
   * @param {Source[]} sources
   * @param {Record<string, number[]>} targets
   */
  #updateClasses(theme, setup, sources, targets) {
    const { classes, label, title, predictedBy, teacher, smoothing, certainty } = setup;
    setText(this.title, predictedBy ? title : `${title}, true class ${classes[label]}`);
    this.lanes.draw(theme, this.figureWidth, { classes, label, teacher, sources, targets, log: this.scale.log });
    const probability = (/** @type {string} */ id) =>
      targets[id][label] === 0 ? "1" : formatNumber(Math.exp(targets[id][label]));
    const T = Number(this.store.temperature.toFixed(2));
    const missing = teacher ? "" : " This input has no teacher logits.";
    const replaced = predictedBy
      ? ` It has no label: the top class of the ${predictedBy}, ${classes[label]}, is used.`
      : "";
    /** @type {Record<string, string>} */
    const names = {
      "one-hot": "one-hot label",
      smoothing: `label smoothing with ε = ${formatOption(smoothing)}`,
      virtual: `virtual teacher with confidence ${formatPercent(certainty)}`,
      teacher: "teacher",
    };
    const values = sources.map(({ id }) => `${names[id]} ${probability(id)}`).join("; ");
    const rest = `The last row is the mean of the other ${classes.length - TOP_CLASSES - 1} classes.`;
    const others = classes.length > MAX_ROWS ? ` ${rest}` : "";
    const caption = `Probability of class ${classes[label]} at T = ${T}: ${values}.${replaced}${missing}${others}`;
    const uniform = `uniform would be ${formatNumber(1 / classes.length)} each`;
    this.classFigure.describe(`Probability of every class for ${title}; ${uniform}. ${caption}`, caption);
  }
  #classTable() {
    const setup = this.#setup();
    const { temperature } = this.store;
    const targets = targetsOf(setup, temperature);
    const present = COLUMN_NAMES.filter(({ id }) => targets[id]);
    const uniform = 1 / setup.classes.length;
    return {
      columns: ["class", ...present.map(({ name }) => name), "uniform", "temperature"],
      rows: setup.classes.map((name, k) => [
        name,
        ...present.map(({ id }) => Math.exp(targets[id][k])),
        uniform,
        temperature,
      ]),
    };
  }

  // --- KL divergence from the uniform distribution ----------------------------------------------------------------

  /**
   * @param {Theme} theme
   * @param {Setup} setup
   * @param {Source[]} sources
   * @param {Divergences} current
   */
  #updateDivergences(theme, setup, sources, current) {
    const { classes, label, teacher, range, smoothing, certainty } = setup;
    const key = JSON.stringify([classes.length, label, teacher, range, smoothing, certainty]);
    const isNew = key !== this.curveKey;
    if (isNew) this.curve = temperatureGrid(range).map((temperature) => this.#divergences(setup, temperature));
    this.curveKey = key;
    const shape = `${this.width} ${theme.dark} ${this.lanes.height}`;
    if (isNew || shape !== this.shape) this.#drawDivergences(setup, sources, this.curve);
    this.shape = shape;
    this.plot.verticalLine("now", current.temperature);
    for (const { id, glyph, colour } of sources) {
      this.plot.mark(`mark ${id}`, current.temperature, current[id], glyph, colour);
    }
    const caption = this.#divergenceSentence(setup, current);
    const title = "KL divergence from the uniform distribution over the temperature, in nats, both axes logarithmic";
    this.divergenceFigure.describe(`${title}. ${caption}`, caption);
  }

  /**
   * @param {Setup} setup
   * @param {Source[]} sources
   * @param {Divergences[]} curve
   */
  #drawDivergences(setup, sources, curve) {
    const width = this.figureWidth;
    // Side by side, both figures have about the same height.
    const defaultHeight = width < 480 ? 260 : 330;
    const height = width < this.width ? Math.min(460, Math.max(290, this.lanes.height - 70)) : defaultHeight;
    const values = curve.flatMap((point) => sources.map(({ id }) => point[id])).filter((value) => value > 0);
    const low = Math.floor(Math.log10(Math.max(MIN_DIVERGENCE, Math.min(1e-2, ...values))));
    const high = Math.max(1, 1.3 * Math.log(setup.classes.length));
    const y = {
      low: 10 ** low,
      high,
      log: true,
      ticks: decadeTicks(low, 0),
      title: "KL divergence from uniform (nats)",
    };
    const x = temperatureAxis(setup.range, width < 480);
    this.divergenceFigure.size(width, height + 70);
    this.plot.setAxes({ x: 50, y: 26, width: width - 50 - 96, height }, { x, y });
    for (const source of sources) {
      this.plot.line(
        source.id,
        curve.map((point) => [point.temperature, point[source.id]]),
        source,
      );
    }
    const final = last(curve);
    const end = (/** @type {Source} */ { id, title, glyph, colour }) => ({
      id,
      value: final[id],
      glyph,
      colour,
      lines: title.split(/ (.*)/, 2),
    });
    addEndLabels(this.plot, setup.range[1], sources.map(end));
  }

  /**
   * Compare how the teacher ranks the wrong classes with the other sources, for which these are equally probable.
   * @param {Setup} setup
   * @param {Divergences} current
   */
  #divergenceSentence({ classes, label, teacher, smoothing }, current) {
    const T = Number(current.temperature.toFixed(2));
    const [ofVirtual, ofSmoothing, ofOneHot] = [current.virtual, current.smoothing, current["one-hot"]].map(
      formatNumber,
    );
    const epsilon = formatOption(smoothing);
    const constant = `at every T, label smoothing with ε = ${epsilon} ${ofSmoothing}, one-hot label ${ofOneHot}`;
    const place = `KL divergence from the uniform distribution in nats at T = ${T}`;
    if (!teacher) return `${place}: virtual teacher ${ofVirtual}; ${constant}. This input has no teacher logits.`;
    const first = `${place}: teacher ${formatNumber(current.teacher)}, virtual teacher ${ofVirtual}; ${constant}.`;
    const wrong = classes
      .map((_, k) => k)
      .filter((k) => k !== label)
      .sort((a, b) => teacher[b] - teacher[a]);
    if (wrong.length < 2) return `${first} With two classes there is only one wrong class.`;
    const [likely, unlikely] = [wrong[0], last(wrong)];
    const ratio = Math.exp((teacher[likely] - teacher[unlikely]) / current.temperature);
    const times = ratio > 1e6 ? "over a million times" : `${formatNumber(ratio)} times`;
    const least = `its least probable, ${classes[unlikely]}`;
    const ranking = `its most probable wrong class, ${classes[likely]}, is ${times} as probable as ${least}`;
    if (ratio >= 2) {
      return `${first} The teacher ranks the wrong classes: ${ranking}. The virtual teacher and smoothing do not.`;
    }
    const equal = ratio < 1.1 ? "all" : "nearly all";
    const argument = "the argument of Yuan et al. 2020";
    return `${first} For the teacher, too, ${equal} wrong classes are equally probable: ${ranking} (${argument}).`;
  }
  #divergenceTable() {
    const points = [this.#divergences(this.#setup(), this.store.temperature), ...this.curve];
    const present = COLUMN_NAMES.filter(({ id }) => id in points[0]);
    return {
      columns: ["temperature", ...present.map(({ name }) => name)],
      rows: points.map((point) => [point.temperature, ...present.map(({ id }) => point[id])]),
    };
  }
}

/**
 * Return the targets of every source as log-probabilities over the classes. The virtual teacher's probabilities are
 * softened like logits, as in the authors' code.
 * @param {Setup} setup
 * @param {number} temperature
 * @returns {Record<string, number[]>}
 */
function targetsOf({ classes, label, teacher, smoothing, certainty }, temperature) {
  const count = classes.length;
  const virtual = classes.map((_, k) => (k === label ? certainty : (1 - certainty) / (count - 1)));
  return {
    "one-hot": classes.map((_, k) => (k === label ? 0 : Number.NEGATIVE_INFINITY)),
    smoothing: classes.map((_, k) => Math.log(smoothing / count + (k === label ? 1 - smoothing : 0))),
    virtual: logSoftmax(virtual, temperature),
    ...(teacher ? { teacher: logSoftmax(teacher, temperature) } : {}),
  };
}

export default mount(TargetSources, import.meta.url, [
  "../../shared/widgets/export.css",
  "../shared/figure.css",
  "option_slider.css",
  "target_sources.css",
]);
