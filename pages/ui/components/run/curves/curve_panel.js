// One panel of the curves, with heading, plot, legend and tooltip.

import { html, pointerPosition, setAttributes, setText } from "../../shared/dom.js";
import { formatNumber, formatPercent } from "../../shared/format.js";
import { last } from "../../shared/math/collections.js";
import { logTicks, percentTicks, valueRange } from "../../shared/math/scales.js";
import { spread } from "../../shared/math/spread.js";
import { CurveOverlay } from "./curve_overlay.js";
import { lineSample } from "./line_sample.js";

/** @typedef {import("../../shared/theme.js").RoleStyle} RoleStyle */
/** @typedef {import("../../shared/theme.js").Theme} Theme */
/** @typedef {{key: string, title: string, unit?: string, log?: boolean, percent?: boolean}} PanelSpec */
/**
 * @typedef {{
 *   key: string,
 *   panel: string,
 *   name: string,
 *   role: string,
 *   style?: string,
 *   dash?: string,
 *   measure?: string,
 * }} SeriesSpec style: "raw", "thin" or none
 */

const NARROW = 520;
const MAX_END_LABELS = 6; // beside the lines; more would be moved too far from them
const MEASURES = ["weighted", "raw"];
const DENSE = 150; // points; a denser line is drawn thinner, so that it hides less

export class CurvePanel {
  #legendKey = "";

  /**
   * @param {PanelSpec} spec
   * @param {import("./curves.js").Curves} curves the component of the panel
   */
  constructor(spec, curves) {
    this.spec = spec;
    this.curves = curves;
    const button = (/** @type {string} */ text, /** @type {() => void} */ onclick) =>
      html("button", { type: "button", onclick }, text);
    const toggle = (/** @type {string} */ label, /** @type {Node[]} */ buttons) =>
      html("div", { class: "dst-toggle", role: "group", "aria-label": `${spec.title}: ${label}` }, buttons);
    const unit = spec.unit && !spec.percent ? html("span", { class: "dst-unit" }, spec.unit) : null;
    const heading = html("h3", {}, spec.title, unit);
    const resetZoom = () => curves.zoomTo(null);
    this.reset = html("button", { class: "dst-reset", type: "button", hidden: true, onclick: resetZoom }, "Reset zoom");
    this.scaleButtons = [false, true].map((log) => button(log ? "log" : "linear", () => curves.chooseLog(log)));
    const scale = toggle("scale", this.scaleButtons);
    scale.hidden = !spec.log;
    this.measureButtons = MEASURES.map((name) => button(name, () => curves.chooseMeasure(name)));
    this.measures = toggle("loss terms", this.measureButtons);
    /** Plotly adds its own fields and methods to this node. @type {any} */
    this.plot = html("div", { class: "dst-plot", role: "img", tabindex: "0", "aria-label": spec.title });
    this.overlay = new CurveOverlay();
    this.empty = html("p", { class: "dst-empty" }, "No values yet.");
    this.tooltip = html("div", { class: "dst-tooltip", hidden: true });
    this.legend = html("div", { class: "dst-legend", role: "group", "aria-label": `${spec.title}: legend` });
    this.plotArea = html("div", { class: "dst-plot-area" }, this.plot, this.overlay.node, this.tooltip);
    const header = html("header", {}, heading, this.reset, this.measures, scale);
    this.node = html("section", { class: "dst-panel" }, header, this.legend, this.empty, this.plotArea);
    this.plot.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => this.#onPointer(event));
    this.plot.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
      if (event.pointerType !== "mouse") this.#onPointer(event);
    });
    this.plot.addEventListener("pointerleave", (/** @type {PointerEvent} */ event) => {
      if (event.pointerType === "mouse") curves.hoverAt(null);
    });
    this.plot.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#onKey(event));
  }

  /**
   * The series of this panel. Terms of a loss are drawn as they are (raw) or with their weight.
   * @returns {SeriesSpec[]}
   */
  get series() {
    const { spec, measure } = this.curves;
    const isDrawn = (/** @type {SeriesSpec} */ series) => !series.measure || series.measure === measure;
    return spec.series.filter((series) => series.panel === this.spec.key && isDrawn(series));
  }
  /**
   * @param {{role: string, dash?: string}} series
   * @returns {RoleStyle}
   */
  #style({ role, dash }) {
    const style = this.curves.theme.role(role);
    return dash ? { ...style, dash } : style;
  }
  /**
   * Return whether a series is hidden. A raw line is hidden together with the smoothed line of its role.
   * @param {SeriesSpec} series
   */
  isHidden({ key, role, style }) {
    const { hidden } = this.curves;
    if (style !== "raw") return hidden.has(key);
    return this.series.some((other) => other.style !== "raw" && other.role === role && hidden.has(other.key));
  }
  get log() {
    return Boolean(this.spec.log && this.curves.log);
  }
  /** @param {number} y */
  #number(y) {
    return this.spec.percent ? formatPercent(y) : formatNumber(y);
  }
  /** @param {number} y */
  #withUnit(y) {
    return this.spec.unit && !this.spec.percent ? `${formatNumber(y)} ${this.spec.unit}` : this.#number(y);
  }

  /**
   * @param {any} Plotly
   * @param {Theme} theme
   * @param {number} width
   * @param {number[]} xRange
   */
  draw(Plotly, theme, width, xRange) {
    const isNarrow = width < NARROW;
    const all = this.series.filter((series) => this.curves.points(series.key).length);
    const named = all.filter(({ style }) => style !== "raw");
    const isEmpty = named.length === 0;
    this.empty.hidden = !isEmpty;
    this.plotArea.hidden = this.legend.hidden = isEmpty;
    if (isEmpty) return;
    const isDirect = !isNarrow && named.length <= MAX_END_LABELS;
    const hasMeasures = this.curves.spec.series.some((series) => series.panel === this.spec.key && series.measure);
    this.measures.hidden = !hasMeasures;
    this.#updateLegend(named, theme, isDirect);
    const visible = all.filter((series) => !this.isHidden(series));
    const levels = this.curves.levels.filter((level) => this.series.some(({ key }) => key === level.level));
    const values = visible.flatMap(({ key }) => this.curves.points(key).within(xRange));
    const range = valueRange(values.concat(values.length ? levels.map(({ y }) => y) : []), this.spec, this.log);
    const layout = this.#layout(theme, width, isNarrow, isDirect, xRange, range);
    const isFirst = !this.plot.classList.contains("js-plotly-plot");
    const traces = all.map((series) => this.#trace(series));
    Plotly.react(this.plot, traces, layout, { displayModeBar: false, doubleClick: false });
    if (isFirst) {
      this.plot.on("plotly_relayout", (/** @type {any} */ change) => this.#onZoom(change));
      this.plot.on("plotly_doubleclick", () => this.curves.zoomTo(null));
    }
    this.#drawOverlay(theme, levels, isDirect, named);
  }

  /**
   * Return Plotly's layout of the plot.
   * @param {Theme} theme
   * @param {number} width
   * @param {boolean} isNarrow
   * @param {boolean} isDirect whether the legend stands beside the lines
   * @param {number[]} xRange
   * @param {number[]} yRange
   */
  #layout(theme, width, isNarrow, isDirect, xRange, yRange) {
    const labelWidths = this.#legendButtons.map((button) => button.offsetWidth);
    const right = isDirect ? Math.min(0.4 * width, 22 + Math.max(0, ...labelWidths)) : 14;
    const font = { family: theme.font, size: 12, color: theme.muted };
    const axis = { zeroline: false, tickfont: font, ticks: "", showline: false, automargin: false };
    const title = { text: this.curves.spec.xlabel, font, standoff: 8 };
    // Not Plotly's own format of percentages, which has no space before the sign. Values of percent panels are fractions.
    const linearTicks = this.spec.percent ? percentTicks(yRange) : { tickmode: "auto" };
    const ticks = this.log ? logTicks(yRange) : linearTicks;
    return {
      width,
      height: this.curves.plotHeight(isNarrow),
      margin: { l: 46, r: right, t: this.curves.markers.length ? 38 : 12, b: 42 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      showlegend: false,
      hovermode: false,
      dragmode: "zoom",
      font,
      xaxis: { ...axis, range: xRange, showgrid: false, nticks: isNarrow ? 5 : 7, title },
      yaxis: {
        ...axis,
        range: yRange,
        type: this.log ? "log" : "linear",
        fixedrange: true,
        nticks: 5,
        gridwidth: 1,
        gridcolor: theme.rule,
        ...ticks,
      },
    };
  }

  /** @param {SeriesSpec} series */
  #trace(series) {
    const { x, y } = this.curves.points(series.key);
    const style = this.#style(series);
    const isThin = series.style === "thin" || series.style === "raw";
    // Only the newest point has a marker, since markers on all points would hide the line.
    const size = new Array(x.length).fill(0);
    size[x.length - 1] = isThin ? 0 : 8;
    const width = isThin ? 1 : x.length > DENSE ? 1.5 : style.width;
    const edge = { width: style.symbol.endsWith("open") ? 1.5 : 0, color: style.colour };
    return {
      x,
      y,
      name: series.name,
      type: "scatter",
      mode: "lines+markers",
      hoverinfo: "skip",
      cliponaxis: false,
      visible: !this.isHidden(series),
      opacity: series.style === "raw" ? 0.3 : 1,
      line: { color: style.colour, width, dash: style.dash, simplify: false },
      marker: { size, opacity: 1, symbol: style.symbol, color: style.colour, line: edge },
    };
  }

  get #legendButtons() {
    return /** @type {HTMLElement[]} */ ([...this.legend.children]);
  }

  /**
   * Update the legend, which stands at the ends of the lines if there is room. A click hides a series, a double click
   * shows it alone.
   * @param {SeriesSpec[]} named
   * @param {Theme} theme
   * @param {boolean} isDirect
   */
  #updateLegend(named, theme, isDirect) {
    this.legend.classList.toggle("dst-direct", isDirect);
    if (isDirect && this.legend.parentElement !== this.plotArea) this.plotArea.append(this.legend);
    if (!isDirect && this.legend.parentElement === this.plotArea) this.plotArea.before(this.legend);
    const key = JSON.stringify([named.map((series) => [series.key, series.name, series.role]), theme.dark, isDirect]);
    if (key !== this.#legendKey) {
      this.#legendKey = key;
      this.legend.replaceChildren(...named.map((series) => this.#legendButton(series, isDirect)));
    }
    const buttons = this.#legendButtons;
    named.forEach((series, i) => {
      setAttributes(buttons[i], { "aria-pressed": String(!this.curves.hidden.has(series.key)) });
      setText(/** @type {Node} */ (buttons[i].lastChild), this.#number(this.curves.points(series.key).last.y));
    });
  }
  /**
   * @param {SeriesSpec} series
   * @param {boolean} isDirect
   */
  #legendButton(series, isDirect) {
    const { key, name, style } = series;
    const listeners = {
      onclick: () => this.curves.toggle(key),
      ondblclick: () => this.curves.solo(key, this.spec.key),
    };
    const sample = lineSample(this.#style(series), style, isDirect && style !== "thin");
    return html(
      "button",
      { type: "button", "data-series": key, ...listeners },
      sample,
      html("span", {}, name),
      html("b"),
    );
  }

  /**
   * @param {Theme} theme
   * @param {import("./curve_overlay.js").Level[]} levels
   * @param {boolean} isDirect
   * @param {SeriesSpec[]} named
   */
  #drawOverlay(theme, levels, isDirect, named) {
    const { xaxis, yaxis, _size: size } = this.plot._fullLayout;
    const frame = {
      left: size.l,
      right: size.l + size.w,
      top: size.t,
      bottom: size.t + size.h,
      x: (/** @type {number} */ value) => size.l + xaxis.d2p(value),
      y: (/** @type {number} */ value) => size.t + yaxis.d2p(value),
    };
    this.overlay.draw(
      frame,
      this.curves.markers,
      levels.map((level) => {
        const { colour, dash } = theme.role(this.series.find(({ key }) => key === level.level)?.role ?? "");
        return { ...level, colour, dash: dash === "solid" ? "none" : dash };
      }),
    );
    if (isDirect) {
      const preferred = named.map(({ key }) => {
        const { y } = this.curves.points(key).last;
        return Math.min(frame.bottom, Math.max(frame.top, this.log && y <= 0 ? frame.bottom : frame.y(y)));
      });
      const buttons = this.#legendButtons;
      spread(preferred, 26, frame.top, frame.bottom).forEach((y, i) => {
        buttons[i].style.top = `${y}px`;
      });
    }
    this.legend.style.left = isDirect ? `${frame.right + 14}px` : "";
    this.reset.hidden = this.curves.zoom === null;
    const press = (/** @type {Element} */ button, /** @type {boolean} */ isPressed) =>
      setAttributes(button, { "aria-pressed": String(isPressed) });
    this.measureButtons.forEach((button, i) => {
      press(button, this.curves.measure === MEASURES[i]);
    });
    this.scaleButtons.forEach((button, i) => {
      press(button, this.log === (i === 1));
    });
    setAttributes(this.plot, { "aria-label": this.#description(named) });
    this.showEvaluation(this.curves.evaluationX);
    this.showTooltip(this.curves.hoverX);
  }

  /** @param {SeriesSpec[]} named */
  #description(named) {
    const values = named.map(({ key, name }) => `${name} ${this.#withUnit(this.curves.points(key).last.y)}`);
    const newest = Math.max(...named.map(({ key }) => this.curves.points(key).last.x));
    const place = `${this.curves.spec.xlabel ?? "x"} ${formatNumber(newest)}`;
    return `${this.spec.title}, line chart. At ${place}: ${values.join(", ")}. Arrow keys move through the values.`;
  }

  /** @param {Record<string, any>} change of Plotly's layout */
  #onZoom(change) {
    const range = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
    if (range[0] !== undefined) this.curves.zoomTo(range);
  }

  /** @param {number | null} x */
  showEvaluation(x) {
    this.overlay.showEvaluation(x);
  }

  // --- tooltip ------------------------------------------------------------------------------------------------------

  /**
   * Return the x of the point of a visible series that is nearest to a position.
   * @param {number} x
   */
  #snap(x) {
    let best = null;
    for (const series of this.series) {
      const points = this.curves.points(series.key);
      if (!points.length || this.isHidden(series)) continue;
      const candidate = points.x[points.nearest(x)];
      if (best === null || Math.abs(candidate - x) < Math.abs(best - x)) best = candidate;
    }
    return best;
  }

  /** @param {PointerEvent} event */
  #onPointer(event) {
    if (!this.overlay.frame) return;
    const x = pointerPosition(this.plot, event)[0] - this.overlay.frame.left;
    const { xaxis } = this.plot._fullLayout;
    this.curves.hoverAt(x < -8 || x > xaxis._length + 8 ? null : this.#snap(xaxis.p2d(x)));
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") this.curves.hoverAt(null);
    const visible = this.series.filter((series) => !this.isHidden(series));
    /** @type {number[]} */
    const longest = visible
      .map(({ key }) => this.curves.points(key).x)
      .reduce((a, b) => (b.length > a.length ? b : a), []);
    if (!step || !longest.length) return;
    event.preventDefault();
    const current = this.curves.hoverX ?? last(longest);
    const place = longest.findIndex((x) => x >= current);
    const target = (place < 0 ? longest.length - 1 : place) + step;
    this.curves.hoverAt(longest[Math.max(0, Math.min(longest.length - 1, target))]);
  }

  /**
   * Show the values at x, the highest first, of the series that have a point near x.
   * @param {number | null} x
   */
  showTooltip(x) {
    const place = this.overlay.showHover(x);
    this.tooltip.hidden = place === null;
    if (place === null || x === null || !this.overlay.frame) return;
    const { left, right, top } = this.overlay.frame;
    const [from, to] = this.plot._fullLayout.xaxis.range;
    const isNear = (/** @type {number} */ value) => Math.abs(value - x) <= 0.02 * (to - from);
    const rows = this.series
      .filter((series) => this.curves.points(series.key).length && !this.isHidden(series))
      .map((series) => {
        const points = this.curves.points(series.key);
        const i = points.nearest(x);
        return { series, x: points.x[i], y: points.y[i] };
      })
      .filter((row) => isNear(row.x))
      .sort((a, b) => b.y - a.y);
    const row = (/** @type {{series: SeriesSpec, y: number}} */ { series, y }) => {
      const sample = lineSample(this.#style(series), series.style);
      return html("div", {}, sample, html("span", {}, series.name), html("b", {}, this.#withUnit(y)));
    };
    const heading = html("div", { class: "dst-muted" }, `${this.curves.spec.xlabel ?? "x"} ${formatNumber(x)}`);
    this.tooltip.replaceChildren(heading, ...rows.map(row));
    const width = this.tooltip.offsetWidth;
    const beside = place + 12 + width < Math.max(right, left + width + 24) ? place + 12 : place - 12 - width;
    this.tooltip.style.transform = `translate(${Math.max(0, beside)}px, ${top + 4}px)`;
  }
}
