// Chart of a lesson on which the learner marks what she predicts, and later sees how far from it the result is.
//
// Payload: points [{key, label, role, values, isGiven}], axis {title, low, high, unit}, predictions {key: value}, stage:
// "wait" (nothing can be marked), "predict", or "result"; classMarks {key: [values]}, which a class has marked. Values are
// those of the seeds, empty before the result. Sets the state `predictions` to {key: value}.

import { html, pointerPosition, setAttributes, setText, svg } from "../shared/dom.js";
import { mount, observeWidth, redrawScheduler } from "../shared/mount.js";
import { wrapText } from "../shared/text.js";
import { readTheme } from "../shared/theme.js";
import { LinePlot } from "../shared/widgets/line_plot.js";
import { classText, gap, mean, nearest, shortText, spread, ticksBetween, valueText } from "./predictions.js";

const HEIGHT = 300;
const MARGIN = { left: 46, right: 12, top: 30, bottom: 54 }; // below, room for all lines of a label
const LINE = 14; // pixels between two lines of a label
const LINES = 3; // at most
const SEED_DISTANCE = 16; // pixels from the mark of the mean to those of the seeds
const HOLLOW = "◇"; // a prediction
const SPREAD = 0.3; // of the marks of a class, in columns

/** @typedef {{key: string, label: string, role: string, values: number[], isGiven: boolean}} Point */
/** @typedef {{title: string, low: number, high: number, unit: string}} ValueAxis */

class PredictionChart {
  width = 0;
  /** @type {{points: Point[], axis: ValueAxis, stage: string, classMarks: Record<string, number[]>}} */
  spec = { points: [], axis: { title: "", low: 0, high: 1, unit: "" }, stage: "wait", classMarks: {} };
  /** @type {Record<string, number>} */
  predictions = {};
  /** @type {import("../shared/mount.js").Callbacks["setStateValue"]} */
  setStateValue = () => {};
  /** @type {Map<string, SVGElement>} */
  #slots = new Map();

  /** @param {HTMLElement} root */
  constructor(root) {
    root.classList.add("dst-prediction-chart");
    this.root = root;
    this.chart = svg("svg", { height: HEIGHT, role: "group" });
    this.plot = new LinePlot(this.chart);
    this.slots = svg("g");
    this.labels = svg("g", { "aria-hidden": "true" });
    this.chart.insertBefore(this.slots, this.plot.front); // below the marks, which no click meets
    setAttributes(this.plot.front, { "pointer-events": "none" });
    this.chart.append(this.labels);
    this.caption = html("p", { class: "dst-muted" });
    root.append(this.chart, this.caption);
    this.draw = redrawScheduler(() => this.#paint(), "prediction_chart");
    this.stopObserving = observeWidth(root, (width) => {
      this.width = width;
      this.draw();
    });
  }

  /**
   * @param {any} data
   * @param {import("../shared/mount.js").Callbacks} callbacks
   */
  update(data, { setStateValue }) {
    this.setStateValue = setStateValue;
    const keys = data.points.map((/** @type {Point} */ point) => point.key).join();
    if (keys !== this.spec.points.map(({ key }) => key).join() || data.stage !== "predict") this.predictions = {};
    this.spec = data;
    this.predictions = { ...data.predictions, ...this.predictions };
    this.draw();
  }

  #paint() {
    if (!this.width) return;
    const { points, axis, stage } = this.spec;
    const box = {
      x: MARGIN.left,
      y: MARGIN.top,
      width: this.width - MARGIN.left - MARGIN.right,
      height: HEIGHT - MARGIN.top - MARGIN.bottom,
    };
    setAttributes(this.chart, { width: this.width, viewBox: `0 0 ${this.width} ${HEIGHT}`, "aria-label": axis.title });
    const x = {
      low: -0.5,
      high: points.length - 0.5,
      log: false,
      ticks: points.map((_, i) => /** @type {[number, string]} */ ([i, ""])),
    };
    const y = {
      low: axis.low,
      high: axis.high,
      log: false,
      ticks: ticksBetween(axis.low, axis.high),
      title: axis.title,
    };
    this.plot.setAxes(box, { x, y });
    this.#drawLabels();
    const theme = readTheme(this.root);
    this.plot.parts.clear();
    this.plot.front.replaceChildren();
    for (const [i, point] of points.entries()) this.#drawPoint(point, i, theme);
    this.#drawSlots();
    const isOpen = stage === "predict" && points.some((point) => this.#isOpen(point));
    const hint = `Press a column, or use the arrow keys, to place ${HOLLOW}, your prediction.`;
    const sentences = classText(points, this.spec.classMarks, axis.unit);
    setText(this.caption, isOpen ? [hint, ...sentences].join(" ") : this.#summary());
  }

  /** Write the names of the columns, on as many lines as the width of a column asks for. */
  #drawLabels() {
    const { points } = this.spec;
    const { y, height, width } = this.plot.box;
    const font = `12px ${getComputedStyle(this.root).fontFamily}`;
    const lines = points.map(({ label }) => wrapText(label, font, width / points.length - 4, LINES));
    this.labels.replaceChildren(
      ...lines.flatMap((parts, i) =>
        parts.map((part, line) =>
          svg(
            "text",
            { x: this.plot.x(i), y: y + height + 16 + LINE * line, "text-anchor": "middle", class: "dst-tick" },
            part,
          ),
        ),
      ),
    );
  }

  /**
   * @param {Point} point
   * @param {number} i
   * @param {import("../shared/theme.js").Theme} theme
   */
  #drawPoint(point, i, theme) {
    const { unit } = this.spec.axis;
    const role = theme.role(point.role);
    const predicted = this.predictions[point.key];
    const isShown = point.values.length > 0 && (point.isGiven || this.spec.stage === "result");
    for (const [number, one] of (this.spec.classMarks[point.key] ?? []).entries()) {
      this.plot.mark(`class ${i} ${number}`, i + spread(number, SPREAD), one, HOLLOW, theme.muted);
    }
    const value = mean(point.values);
    if (predicted !== undefined && isShown) {
      this.plot.line(
        `gap ${i}`,
        [
          [i, predicted],
          [i, value],
        ],
        { colour: theme.muted, dash: "3px,3px", width: 1.5 },
      );
    }
    if (isShown) {
      const aside = (SEED_DISTANCE * this.spec.points.length) / this.plot.box.width;
      if (point.values.length > 1) {
        for (const [number, one] of point.values.entries()) {
          this.plot.mark(`seed ${i} ${number}`, i - aside, one, "·", role.colour);
        }
      }
      this.plot.mark(`value ${i}`, i, value, role.glyph, role.colour);
      const hasRoom = this.plot.y(value) - this.plot.box.y > 24; // below the title of the axis
      const isGapBelow = predicted !== undefined && value >= predicted;
      const place = !hasRoom && isGapBelow ? { anchor: "start", dx: 10, dy: 8 } : { anchor: "middle", dy: 17 };
      if (hasRoom && (predicted === undefined || isGapBelow)) place.dy = -17;
      const style = { ...place, colour: theme.text };
      this.plot.text(`number ${i}`, i, value, shortText(value, unit), style);
    }
    if (predicted !== undefined) {
      this.plot.mark(`prediction ${i}`, i, predicted, HOLLOW, theme.text);
      if (!isShown) {
        const style = { anchor: "middle", dy: -17, colour: theme.text };
        this.plot.text(`guess ${i}`, i, predicted, shortText(predicted, unit), style);
      }
    }
  }

  /** @param {Point} point */
  #isOpen(point) {
    return this.spec.stage === "predict" && !point.isGiven;
  }

  /** Update the invisible columns that take clicks and keys; they are made once, so that the focus stays. */
  #drawSlots() {
    const { points, axis } = this.spec;
    const { box } = this.plot;
    const open = points.filter((point) => this.#isOpen(point));
    for (const [key, node] of this.#slots) {
      if (!open.some((point) => point.key === key)) {
        node.remove();
        this.#slots.delete(key);
      }
    }
    for (const point of open) {
      let node = this.#slots.get(point.key);
      if (!node) {
        node = svg("rect", {
          class: "dst-slot",
          tabindex: 0,
          role: "slider",
          "aria-orientation": "vertical",
          onpointerdown: (/** @type {PointerEvent} */ event) => this.#onPointer(point.key, event),
          onpointermove: (/** @type {PointerEvent} */ event) => event.buttons && this.#onPointer(point.key, event),
          onpointerup: () => this.#send(),
          onkeydown: (/** @type {KeyboardEvent} */ event) => this.#onKey(point.key, event),
        });
        this.#slots.set(point.key, node);
        this.slots.append(node);
      }
      const width = box.width / points.length;
      const left = box.x + points.indexOf(point) * width;
      const value = this.predictions[point.key];
      setAttributes(node, {
        x: left + 2,
        y: box.y,
        width: width - 4,
        height: box.height,
        "aria-label": `Your prediction for ${point.label}`,
        "aria-valuemin": axis.low,
        "aria-valuemax": axis.high,
        "aria-valuenow": value ?? (axis.low + axis.high) / 2,
        "aria-valuetext": value === undefined ? "none yet" : valueText(value, axis.unit),
      }); // prettier-ignore
    }
  }

  /**
   * @param {string} key
   * @param {PointerEvent} event
   */
  #onPointer(key, event) {
    const [, top] = pointerPosition(this.chart, event);
    const { y, height } = this.plot.box;
    const { low, high } = this.spec.axis;
    this.#set(key, high - ((top - y) / height) * (high - low));
  }

  /**
   * @param {string} key
   * @param {KeyboardEvent} event
   */
  #onKey(key, event) {
    const { low, high } = this.spec.axis;
    const steps = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 5, PageDown: -5 };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (step === undefined) return;
    event.preventDefault();
    const value = this.predictions[key];
    this.#set(key, value === undefined ? (low + high) / 2 : value + step);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#send(), 400);
  }

  /**
   * @param {string} key
   * @param {number} value
   */
  #set(key, value) {
    const { low, high } = this.spec.axis;
    this.predictions = { ...this.predictions, [key]: nearest(value, low, high) };
    this.draw();
  }

  #send() {
    this.setStateValue("predictions", this.predictions);
  }

  /** Return the content of the chart in words. */
  #summary() {
    const { points, axis, stage } = this.spec;
    const visible = points.filter(({ values, isGiven }) => values.length && (isGiven || stage === "result"));
    return visible
      .map(
        ({ key, label, values }) =>
          `${label}: ${valueText(mean(values), axis.unit)}${gap(this.predictions[key], mean(values))}`,
      )
      .concat(classText(points, this.spec.classMarks, axis.unit))
      .concat(visible.some(({ values }) => values.length > 1) ? ["small dots: single seeds"] : [])
      .join(" · ");
  }

  destroy() {
    clearTimeout(this.timer);
    this.draw.cancel();
    this.stopObserving();
  }
}

export default mount(PredictionChart, import.meta.url, ["prediction_chart.css"]);
