// Reliability diagrams at the temperature, and temperature scaling.
//
// Payload: store, bins, best {role: {temperature}} (the optimum on validation data). Sets no states.

import { html, svg } from "../../shared/dom.js";
import { formatNumber, formatPercent, formatTemperature } from "../../shared/format.js";
import { temperatureAxis } from "../../shared/math/scales.js";
import { mount } from "../../shared/mount.js";
import { FRAME_BUDGET, LinePlot } from "../../shared/widgets/line_plot.js";
import { TemperatureComponent } from "../shared/component.js";
import { Figure } from "../shared/figure.js";
import { LossCurve, lossAxis, reliability } from "./calibration_metrics.js";
import { ReliabilityDiagram } from "./reliability_diagram.js";

/** @typedef {import("../../shared/theme.js").Theme} Theme */
/** @typedef {import("./calibration_metrics.js").Bin} Bin */
/** @typedef {import("./calibration_metrics.js").Reliability} Reliability */
/** @typedef {{temperature: number, labels: number[], loss: number, error: number}} Best */
/** @typedef {{role: string, curve: LossCurve, loss: number}} RoleCurve loss: at the current temperature */

const DEFAULT_BINS = 15;
const READING_HELP =
  "The temperature never changes the top class, so the accuracy is constant. " +
  "A mark below the diagonal is overconfident; pale marks have few examples.";

class Calibration extends TemperatureComponent {
  /** @type {Map<string, LossCurve>} */
  #curves = new Map();

  /** @type {string | undefined} */
  shape;
  /** @type {string | undefined} */
  lines;
  /** @type {ReliabilityDiagram[]} */
  diagrams = [];

  /** @param {HTMLElement} root */
  constructor(root) {
    super(root, "calibration");
    this.reliability = new Figure("reliability", () => this.#reliabilityTable());
    this.losses = new Figure("temperature-scaling", () => this.#lossTable());
    this.plot = new LinePlot(this.losses.chart);
    this.values = svg("text", { "aria-hidden": "true" });
    this.losses.chart.append(this.values);
    const section = (/** @type {string} */ title, /** @type {Figure} */ figure) =>
      html("section", {}, html("h3", {}, title), figure.node);
    this.root.append(section("Reliability diagrams", this.reliability), section("Temperature scaling", this.losses));
  }
  get isReady() {
    return this.store.isReady && this.store.roles.length > 0;
  }

  // --- data ---------------------------------------------------------------------------------------------------------

  /**
   * @param {string} role
   * @param {number} [temperature]
   */
  #reliabilityOf(role, temperature = this.store.temperature) {
    const { store } = this;
    const bins = this.spec.bins ?? DEFAULT_BINS;
    return reliability(store.existingLogits(role), store.labels, store.classes.length, temperature, bins);
  }

  /**
   * Return the loss curve of a network, cached per snapshot.
   * @param {string} role
   */
  #curve(role) {
    const { store } = this;
    const [logits, { labels }, range] = [
      store.existingLogits(role, "validation"),
      store.splits.validation,
      store.temperatures,
    ];
    const cached = this.#curves.get(role);
    if (cached?.logits === logits && cached.labels === labels && String(cached.range) === String(range)) return cached;
    const curve = new LossCurve(logits, labels, store.classes.length, range);
    this.#curves.set(role, curve);
    return curve;
  }

  /**
   * Return the best temperature with its loss, or null while the curve is incomplete, or if a point of the curve lies
   * below it, since then it belongs to another snapshot.
   * @param {string} role
   * @returns {Best | null}
   */
  #best(role) {
    const { temperature } = this.spec.best?.[role] ?? {};
    const curve = this.#curve(role);
    if (!temperature || !curve.isComplete) return null;
    const { labels } = this.store;
    if (curve.best?.temperature !== temperature || curve.best.labels !== labels) {
      const { error } = this.#reliabilityOf(role, temperature).total;
      curve.best = { temperature, labels, loss: curve.at(temperature), error };
    }
    return curve.best.loss <= Math.min(...curve.losses) * 1.001 + 1e-9 ? curve.best : null;
  }

  /** @param {string[]} roles */
  #bests(roles) {
    return roles.flatMap((role) => {
      const best = this.#best(role);
      return best ? [{ role, best }] : [];
    });
  }

  #reliabilityTable() {
    const { roles, temperature } = this.store;
    const cells = (
      /** @type {{count: number, confidence: number, accuracy: number}} */ { count, confidence, accuracy },
    ) => [count, count ? confidence : "", count ? accuracy : ""];
    const rows = roles.flatMap((role) => {
      const { bins, total } = this.#reliabilityOf(role);
      const binRows = bins.map((bin) => [role, temperature, bin.from, bin.to, ...cells(bin), ""]);
      return [...binRows, [role, temperature, "all", "all", ...cells(total), total.count ? total.error : ""]];
    });
    const columns = [
      "network",
      "temperature",
      "bin from",
      "bin to",
      "examples",
      "mean confidence",
      "accuracy",
      "expected calibration error",
    ];
    return { columns, rows };
  }

  #lossTable() {
    const { roles, temperature } = this.store;
    const curves = roles.map((role) => this.#curve(role).advance(Number.POSITIVE_INFINITY));
    const row = (/** @type {number} */ at, /** @type {string} */ kind) => [
      at,
      ...curves.map((curve) => curve.at(at)),
      kind,
    ];
    const bests = this.#bests(roles);
    const optima = bests.map(({ role, best }) => row(best.temperature, `best temperature of the ${role}`));
    const grid = curves[0].grid.map((at, i) => [at, ...curves.map(({ losses }) => losses[i]), "curve"]);
    return {
      columns: ["temperature", ...roles, "point"],
      rows: [row(temperature, "current temperature"), ...optima, ...grid],
    };
  }

  // --- drawing ------------------------------------------------------------------------------------------------------

  /** @param {Theme} theme */
  paint(theme) {
    const { roles, temperature } = this.store;
    const results = roles.map((role) => ({ role, result: this.#reliabilityOf(role) }));
    this.#layOut(theme);
    results.forEach(({ result }, i) => {
      this.diagrams[i].draw(result);
    });
    const until = performance.now() + FRAME_BUDGET;
    const curves = roles.map((role) => {
      const curve = this.#curve(role).advance(until);
      return { role, curve, loss: curve.at(temperature) };
    });
    this.#describeReliability(results);
    this.#drawLosses(theme, curves);
    this.#describeLosses(curves);
    if (curves.some(({ curve }) => !curve.isComplete)) this.draw();
  }

  /**
   * Place the diagrams side by side if there is room, else one below the other.
   * @param {Theme} theme
   */
  #layOut(theme) {
    const { roles } = this.store;
    const { bins = DEFAULT_BINS } = this.spec;
    const shape = JSON.stringify([this.width, roles, bins, theme.dark, theme.font]);
    if (shape === this.shape) return;
    this.shape = shape;
    const columns = this.width / roles.length >= 185 ? roles.length : 1;
    const width = Math.min(440, (this.width - (columns - 1) * 20) / columns);
    const height = Math.round(Math.min(290, 0.78 * width)) + 184;
    const box = (/** @type {number} */ i) => ({
      x: (i % columns) * (width + 20),
      y: Math.floor(i / columns) * height,
      width,
      height: height - 14,
    });
    this.diagrams = roles.map((role, i) => new ReliabilityDiagram(box(i), bins, theme.role(role)));
    this.reliability.size(this.width, Math.ceil(roles.length / columns) * height);
    this.reliability.chart.replaceChildren(...this.diagrams.map(({ node }) => node));
  }

  /**
   * @param {Theme} theme
   * @param {RoleCurve[]} curves
   */
  #drawLosses(theme, curves) {
    const {
      plot,
      store: { temperature, temperatures, classes },
    } = this;
    const [uniformLoss, isWide] = [Math.log(classes.length), this.width >= 560];
    if (!this.axis || curves.every(({ curve }) => curve.isComplete)) {
      this.axis = lossAxis([...curves.flatMap(({ curve }) => curve.losses), uniformLoss]);
    }
    const lines = curves.map(({ role }) => `${role} ${this.#best(role) !== null}`).join();
    if (lines !== this.lines) plot.key = null; // redraw everything, so that no mark of a removed line stays
    this.lines = lines;
    this.losses.size(this.width, 350);
    const area = { x: 50, y: 62, width: this.width - 62, height: 240 };
    plot.setAxes(area, { x: temperatureAxis(temperatures), y: this.axis });
    const uniform = temperatures.map((at) => [at, uniformLoss]);
    plot.line("uniform", uniform, { colour: theme.muted, dash: "1,4", width: 1 });
    const meaning = isWide ? ` = ${formatNumber(uniformLoss)}: all classes equally probable` : "";
    const uniformStyle = { anchor: "end", dy: -10, colour: theme.muted };
    plot.text("uniform text", temperatures[1], uniformLoss, `ln ${classes.length}${meaning}`, uniformStyle);
    plot.verticalLine("now", temperature);
    const spans = curves.flatMap(({ role, curve, loss }) => {
      const { colour, dash, width, glyph } = theme.role(role);
      const points = curve.losses.map((value, i) => [curve.grid[i], value]);
      plot.line(role, points, { colour, dash: dash === "solid" ? "" : dash, width });
      plot.mark(`${role} now`, temperature, loss, glyph, colour);
      const best = this.#best(role);
      if (best) {
        plot.mark(`${role} best`, best.temperature, best.loss, glyph, colour);
        const style = { ...this.#labelPlace(best, curves), colour };
        plot.text(
          `${role} label`,
          best.temperature,
          best.loss,
          `best T = ${formatTemperature(best.temperature)}`,
          style,
        );
      }
      const text = ` ${isWide ? `${role} ` : ""}${formatNumber(loss)}`;
      return [svg("tspan", { fill: colour, dx: 8 }, glyph), svg("tspan", {}, text)];
    });
    const start = svg("tspan", { x: 0, y: 18 }, `T = ${formatTemperature(temperature)}:`);
    this.values.replaceChildren(start, ...spans, " nats");
  }

  /**
   * Return where to write the name of an optimum, below its mark or above, wherever fewer curves cross the text.
   * @param {Best} best
   * @param {RoleCurve[]} curves
   */
  #labelPlace({ temperature, loss }, curves) {
    const [x, y] = [this.plot.x(temperature), this.plot.y(loss)];
    const at = curves[0].curve.grid.findIndex((point) => point >= temperature);
    const reach = Math.ceil((60 * 40) / this.plot.box.width); // half the width of the text, in points of the curve
    const near = [at - reach, at, at + reach];
    const distances = curves.flatMap(({ curve }) => near.map((i) => this.plot.y(curve.losses[i]) - y));
    const crossings = (/** @type {number} */ side) => {
      const crossed = distances.filter((dy) => dy * side > 7 && dy * side < 28).length;
      return crossed + (side > 0 && y > 276 ? distances.length : 0);
    };
    const anchor = x < 96 ? "start" : x > this.width - 56 ? "end" : "middle";
    return { dy: crossings(1) <= crossings(-1) ? 17 : -17, anchor };
  }

  /** @param {{role: string, result: Reliability}[]} results */
  #describeReliability(results) {
    const { labels, split, temperature } = this.store;
    const summary = (/** @type {{role: string, result: Reliability}} */ { role, result: { total } }) => {
      if (!total.count) return `${role}: no finite logits`;
      const [accuracy, confidence, error] = [total.accuracy, total.confidence, total.error].map(formatPercent);
      return `${role}: accuracy ${accuracy}, mean confidence ${confidence}, ECE ${error}`;
    };
    const data = `${labels.length} ${split === "test" ? "test" : "validation"} examples`;
    const all = `T = ${formatTemperature(temperature)}, ${data}. ${results.map(summary).join("; ")}.`;
    const binText = (/** @type {Bin} */ { count, confidence, accuracy }) =>
      `confidence ${formatPercent(confidence)}, accuracy ${formatPercent(accuracy)}, ${count} examples`;
    const ofRole = (/** @type {{role: string, result: Reliability}} */ { role, result: { bins } }) =>
      `${role}: ${bins
        .filter(({ count }) => count)
        .map(binText)
        .join("; ")}`;
    this.reliability.describe(
      `Reliability diagrams. ${all} By bin, ${results.map(ofRole).join(". ")}.`,
      `${all} ${READING_HELP}`,
    );
  }

  /** @param {RoleCurve[]} curves */
  #describeLosses(curves) {
    const { temperature, split } = this.store;
    const bests = this.#bests(curves.map(({ role }) => role));
    const optima = bests.map(
      ({ role, best }) => `${role} T = ${formatTemperature(best.temperature)} (${formatNumber(best.loss)} nats)`,
    );
    const errors = bests.map(({ role, best }) => `${role} ${formatPercent(best.error)}`).join(", ");
    const note =
      split === "test"
        ? `T is chosen on validation data and evaluated on test data. Test ECE at the best T: ${errors}.`
        : "Both figures show validation data: at a T chosen on the same data, the ECE is optimistic.";
    const caption = bests.length
      ? `Lowest validation loss: ${optima.join(", ")}. ${note}`
      : "The best temperature of this snapshot is not known yet.";
    const losses = curves.map(({ role, loss }) => `${role} ${formatNumber(loss)}`).join(", ");
    const title = "Negative log-likelihood on validation data over the temperature, in nats";
    this.losses.describe(`${title}. At T = ${formatTemperature(temperature)}: ${losses}. ${caption}`, caption);
  }
}

export default mount(Calibration, import.meta.url, [
  "../../shared/widgets/export.css",
  "../shared/figure.css",
  "calibration.css",
]);
