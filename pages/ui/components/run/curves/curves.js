// Live curves in panels with a common x axis. Plotly updates them in place, so that zoom and hidden series survive.
//
// Payload: panels [{key, title, unit, log, percent}], series [{key, panel, name, role, style, dash, measure}] (with the
// measure "raw" or "weighted" it is drawn only while that is chosen), xlabel, xmin, xmax (a fixed axis for a run of fixed
// length), log, empty, fills (whether the panels share the height of the window). Values of a percent panel are fractions, 0 to 1.
// Frames: {series, x: [], y: []} appends; {marker: x, text, kind} draws a vertical line; {level: series, y, text} a
// reference level in that series' panel. Sets the state log.

import { html, setText } from "../../shared/dom.js";
import { formatNumber, formatPercent } from "../../shared/format.js";
import { last } from "../../shared/math/collections.js";
import { mount, observeWidth, redrawScheduler } from "../../shared/mount.js";
import { FrameFeed } from "../../shared/state/frame_feed.js";
import { Playhead } from "../../shared/state/playhead.js";
import { readTheme } from "../../shared/theme.js";
import { CurvePanel } from "./curve_panel.js";
import { loadPlotly } from "./plotly_loader.js";
import { Series } from "./series.js";

/** @typedef {import("./curve_panel.js").PanelSpec} PanelSpec */
/** @typedef {import("./curve_panel.js").SeriesSpec} SeriesSpec */
/**
 * @typedef {{run: string, panels: PanelSpec[], series: SeriesSpec[], xlabel?: string, xmin?: number, xmax?: number,
 *   empty?: string, fills?: boolean}} CurvesSpec
 */

const NO_POINTS = new Series();
const TABLE_ROWS = 12;
const [HEIGHT, NARROW_HEIGHT, LOWEST] = [264, 232, 118]; // of a plot, in pixels
const ABOVE = 330; // pixels above two stacked panels on a page where they must fit into the window
const FRAME = 78; // pixels of a panel's title and legend

/** The zoom of each run, which outlives the component when a lost connection rebuilds the page. @type {Map<string, number[] | null>} */
const zooms = new Map();

export class Curves {
  /** @type {import("../../shared/mount.js").Callbacks["setStateValue"]} */
  setStateValue = () => {};
  /** Read at every drawing. @type {import("../../shared/theme.js").Theme} */
  theme = /** @type {any} */ (null);
  /** Keys of hidden series. @type {Set<string>} */
  hidden = new Set();
  /** @type {number[] | null} */
  zoom = null;
  /** @type {boolean | null} */
  log = null;
  measure = "weighted"; // of the terms of a loss, so that they add up
  /** The x of the hover line. @type {number | null} */
  hoverX = null;
  /** @type {import("./curve_overlay.js").Level[]} */
  levels = [];
  /** @type {import("./curve_overlay.js").Marker[]} */
  markers = [];
  /** @type {CurvesSpec} */
  spec = { run: "", panels: [], series: [] };
  /** @type {Map<string, Series>} */
  #series = new Map();
  #feed = new FrameFeed();
  /** @type {CurvePanel[]} */
  #panels = [];
  #shape = "";
  #width = 0;
  #failure = "";
  /** @type {any} */
  #Plotly = null;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    root.classList.add("dst-curves");
    this.empty = html("p", { class: "dst-empty", hidden: true });
    this.grid = html("div", { class: "dst-panels" });
    this.table = html("table");
    const scroll = html("div", { class: "dst-scroll" }, this.table);
    this.details = html(
      "details",
      { ontoggle: () => this.#updateTable() },
      html("summary", {}, "Show as table"),
      scroll,
    );
    root.append(this.empty, this.grid, this.details);
    this.draw = redrawScheduler(() => this.#draw());
    this.playhead = new Playhead(() => this.#showEvaluation());
    this.stopObserving = observeWidth(root, (width) => {
      this.#width = width;
      this.draw();
    });
  }

  /**
   * @param {any} data
   * @param {import("../../shared/mount.js").Callbacks} callbacks
   */
  update(data, { setStateValue, setTriggerValue }) {
    this.spec = { ...data, panels: data.panels ?? [], series: data.series ?? [] };
    this.setStateValue = setStateValue;
    this.log ??= Boolean(data.log);
    const { isNewRun, frames } = this.#feed.receive(data, setTriggerValue);
    if (isNewRun) {
      this.#series.clear();
      Object.assign(this, { levels: [], markers: [], zoom: zooms.get(data.run) ?? null, hoverX: null });
    }
    this.playhead.join(data.run);
    for (const frame of frames) this.#add(frame);
    loadPlotly().then(
      (Plotly) => {
        this.#Plotly = Plotly;
        this.#failure = "";
        this.draw();
      },
      (error) => {
        this.#failure = error.message;
        this.draw();
      },
    );
  }

  /** @param {any} frame */
  #add(frame) {
    if ("marker" in frame) this.markers.push(frame);
    else if ("level" in frame) this.levels = [...this.levels.filter(({ level }) => level !== frame.level), frame];
    else {
      const series = this.#series.get(frame.series) ?? new Series();
      this.#series.set(frame.series, series);
      series.append(frame.x, frame.y);
    }
  }

  /** @param {string} key */
  points(key) {
    return this.#series.get(key) ?? NO_POINTS;
  }
  /** The x of the longest series, from which the table takes its rows. */
  get longestX() {
    return [...this.#series.values()].reduce((a, b) => (b.length > a.length ? b : a), NO_POINTS).x;
  }
  get evaluationX() {
    const { evaluation } = this.playhead;
    return evaluation === null ? null : (this.playhead.at(evaluation).x ?? null);
  }

  #draw() {
    const isEmpty = this.longestX.length === 0;
    this.empty.hidden = !isEmpty && !this.#failure;
    const emptyText = this.spec.empty ?? "No values yet.";
    setText(this.empty, this.#failure ? `${this.#failure} The table below has the numbers.` : emptyText);
    this.grid.hidden = isEmpty || Boolean(this.#failure);
    this.details.hidden = isEmpty;
    this.#updateTable();
    if (isEmpty || !this.#Plotly || !this.#width) return;
    this.#build();
    this.theme = readTheme(this.root);
    const columns = this.#width >= 900 && this.#panels.length > 1 ? 2 : 1;
    this.root.classList.toggle("dst-fills", Boolean(this.spec.fills));
    this.grid.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    const width = Math.floor((this.#width - (columns - 1) * 40) / columns);
    const range = this.zoom ?? this.#wholeRange();
    for (const panel of this.#panels) panel.draw(this.#Plotly, this.theme, width, range);
  }

  /**
   * Return the height of a plot. Panels that fill the window share what it has below the rest of the page.
   * @param {boolean} isNarrow
   */
  plotHeight(isNarrow) {
    const height = isNarrow ? NARROW_HEIGHT : HEIGHT;
    if (!this.spec.fills || window.innerWidth < 700) return height;
    const share = (window.innerHeight - ABOVE) / Math.max(1, this.#panels.length) - FRAME;
    return Math.round(Math.min(height, Math.max(LOWEST, share)));
  }

  #wholeRange() {
    let low = this.spec.xmin ?? Number.POSITIVE_INFINITY;
    let high = this.spec.xmax ?? Number.NEGATIVE_INFINITY;
    for (const { x } of this.#series.values()) {
      low = Math.min(low, x[0]);
      high = Math.max(high, last(x));
    }
    return high > low ? [low, high] : [low - 0.5, low + 0.5];
  }

  #build() {
    const shape = JSON.stringify(this.spec.panels);
    if (shape === this.#shape) return;
    this.#shape = shape;
    this.#purge();
    this.#panels = this.spec.panels.map((spec) => new CurvePanel(spec, this));
    this.grid.replaceChildren(...this.#panels.map(({ node }) => node));
  }

  /** @param {number[] | null} range */
  zoomTo(range) {
    this.zoom = range;
    zooms.set(this.spec.run, range);
    this.draw();
  }
  /** @param {boolean} log */
  chooseLog(log) {
    if (this.log === log) return;
    this.log = log;
    this.draw();
    this.setStateValue("log", log);
  }
  /**
   * Choose between raw and weighted terms of the loss, in this browser only.
   * @param {string} measure
   */
  chooseMeasure(measure) {
    this.measure = measure;
    this.draw();
  }
  /** @param {string} key */
  toggle(key) {
    if (!this.hidden.delete(key)) this.hidden.add(key);
    this.draw();
  }
  /**
   * Show one series of a panel alone, or all series if it is alone already.
   * @param {string} key
   * @param {string} panel
   */
  solo(key, panel) {
    const isOther = (/** @type {SeriesSpec} */ series) =>
      series.panel === panel && series.key !== key && series.style !== "raw";
    const others = this.spec.series.filter(isOther).map((series) => series.key);
    const isAlone = others.every((other) => this.hidden.has(other));
    for (const other of others) {
      if (isAlone) this.hidden.delete(other);
      else this.hidden.add(other);
    }
    this.hidden.delete(key);
    this.draw();
  }
  /** @param {number | null} x */
  hoverAt(x) {
    if (this.hoverX === x) return;
    this.hoverX = x;
    for (const panel of this.#panels) panel.showTooltip(x);
  }
  #showEvaluation() {
    for (const panel of this.#panels) panel.showEvaluation(this.evaluationX);
  }

  /** Fill the open table with rows spread over the run; markers and levels are in its caption. */
  #updateTable() {
    if (!this.details.open) return;
    const { xlabel = "x", panels } = this.spec;
    /** @type {SeriesSpec[]} */
    const series = this.spec.series.filter(({ key }) => this.points(key).length);
    /** @returns {Partial<PanelSpec>} */
    const panelOf = (/** @type {SeriesSpec} */ one) => panels.find(({ key }) => key === one.panel) ?? {};
    const title = (/** @type {SeriesSpec} */ one) =>
      [one.name, one.measure, panelOf(one).title].filter(Boolean).join(", ");
    const cell = (/** @type {SeriesSpec} */ one, /** @type {number} */ x) => {
      const points = this.points(one.key);
      if (x > points.last.x || x < points.x[0]) return html("td");
      const y = points.y[points.nearest(x)];
      return html("td", {}, panelOf(one).percent ? formatPercent(y) : formatNumber(y));
    };
    const xs = this.longestX;
    const places = Array.from({ length: TABLE_ROWS }, (_, i) => Math.round((i * (xs.length - 1)) / (TABLE_ROWS - 1)));
    const row = (/** @type {number} */ x) =>
      html(
        "tr",
        {},
        html("th", { scope: "row" }, formatNumber(x)),
        series.map((one) => cell(one, x)),
      );
    const markers = this.markers.map(({ marker, text }) => `${xlabel} ${formatNumber(marker)}: ${text}`);
    const levels = this.levels.map(({ text }) => text);
    const headers = [xlabel, ...series.map(title)].map((text) => html("th", { scope: "col" }, text));
    this.table.replaceChildren(
      html("thead", {}, html("tr", {}, headers)),
      html(
        "tbody",
        {},
        [...new Set(places)].map((i) => row(xs[i])),
      ),
      html("caption", {}, [...markers, ...levels].join(" · ")),
    );
  }

  #purge() {
    for (const { plot } of this.#panels) if (plot.classList.contains("js-plotly-plot")) this.#Plotly.purge(plot);
  }
  destroy() {
    this.draw.cancel();
    this.stopObserving();
    this.playhead.leave();
    this.#purge();
  }
}

export default mount(Curves, import.meta.url, ["curves.css"]);
