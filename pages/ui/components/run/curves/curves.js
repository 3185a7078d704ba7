// Live curves: panels that share their x axis, drawn by Plotly in place, so that zoom and hidden series survive.
//
// Payload: plotly (address), panels [{key, title, unit, log, percent}], series [{key, panel, name, role, style, dash,
// measure}] (with the measure "raw" or "weighted" it is drawn while that is chosen), xlabel,
// xmin, xmax (a fixed axis for a run of known length), log, empty. Values of a percent panel are shares, 0 to 1.
// Frames: {series, x: [], y: []} appends; {marker: x, text, kind} draws an upright line; {level: series, y, text} a
// reference level in that series' panel. Sets the state log.

class Curves {
  hidden = new Set();
  zoom = null;
  log = null;
  measure = "weighted"; // the parts of a sum, so that they add up
  reading = null;
  levels = [];
  markers = [];
  spec = { panels: [], series: [] };
  #series = new Map();
  #feed = new Feed();
  #panels = [];
  #shape = "";
  #width = 0;

  constructor(root) {
    this.root = root;
    root.classList.add("dst-curves");
    this.empty = html("p", { class: "dst-empty", hidden: true });
    this.sheet = html("div", { class: "dst-panels" });
    this.table = html("table");
    this.details = html("details", { ontoggle: () => this.#tabulate() }, html("summary", {}, "Show as table"), html("div", { class: "dst-scroll" }, this.table));
    root.append(this.empty, this.sheet, this.details);
    this.draw = redrawing(() => this.#draw());
    this.moments = new Moments(() => this.#moment());
    this.unwatch = watchWidth(root, (width) => {
      this.#width = width;
      this.draw();
    });
  }

  update(data, { setStateValue, setTriggerValue }) {
    this.spec = { ...data, panels: data.panels ?? [], series: data.series ?? [] };
    this.setStateValue = setStateValue;
    this.log ??= Boolean(data.log);
    const { cleared, fresh } = this.#feed.take(data, setTriggerValue);
    if (cleared) {
      this.#series.clear();
      // A connection that was lost and found again builds the page anew: the zoom is still what the reader chose.
      Object.assign(this, { levels: [], markers: [], zoom: distillery.zooms.get(data.run) ?? null, reading: null });
    }
    this.moments.join(data.run);
    fresh.forEach((frame) => this.#add(frame));
    plotly(data.plotly ?? "app/static/plotly.min.js").then(
      (Plotly) => {
        this.Plotly = Plotly;
        this.draw();
      },
      (error) => {
        this.failure = error.message;
        this.draw();
      },
    );
  }

  #add(frame) {
    if ("marker" in frame) this.markers.push(frame);
    else if ("level" in frame) this.levels = [...this.levels.filter(({ level }) => level !== frame.level), frame];
    else {
      if (!this.#series.has(frame.series)) this.#series.set(frame.series, new Series());
      this.#series.get(frame.series).append(frame.x, frame.y);
    }
  }

  points(key) {
    return this.#series.get(key) ?? NOTHING;
  }
  // The x of all points of the longest series: what the arrow keys walk along.
  get grid() {
    return [...this.#series.values()].reduce((a, b) => (b.length > a.length ? b : a), NOTHING).x;
  }
  get momentX() {
    return this.moments.shown === null ? null : (this.moments.at(this.moments.shown).x ?? null);
  }

  #draw() {
    const blank = this.grid.length === 0;
    this.empty.hidden = !blank && !this.failure;
    write(this.empty, this.failure ? `${this.failure} The table below has the numbers.` : (this.spec.empty ?? "Nothing has been measured yet."));
    this.sheet.hidden = blank || Boolean(this.failure);
    this.details.hidden = blank;
    this.#tabulate();
    if (blank || !this.Plotly || !this.#width) return;
    this.#build();
    this.theme = readTheme(this.root);
    const columns = this.#width >= 900 && this.#panels.length > 1 ? 2 : 1;
    this.sheet.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    const width = Math.floor((this.#width - (columns - 1) * 40) / columns);
    const range = this.zoom ?? this.#wholeRange();
    for (const panel of this.#panels) panel.draw(this.Plotly, this.theme, width, range);
  }

  #wholeRange() {
    let low = this.spec.xmin ?? Infinity;
    let high = this.spec.xmax ?? -Infinity;
    for (const { x } of this.#series.values()) {
      low = Math.min(low, x[0]);
      high = Math.max(high, x.at(-1));
    }
    return high > low ? [low, high] : [low - 0.5, low + 0.5];
  }

  #build() {
    const shape = JSON.stringify(this.spec.panels);
    if (shape === this.#shape) return;
    this.#shape = shape;
    this.#purge();
    this.#panels = this.spec.panels.map((spec) => new Panel(spec, this));
    this.sheet.replaceChildren(...this.#panels.map(({ node }) => node));
  }

  zoomTo(range) {
    this.zoom = range;
    distillery.zooms.set(this.spec.run, range);
    this.draw();
  }
  chooseLog(log) {
    if (this.log === log) return;
    this.log = log;
    this.draw();
    this.setStateValue("log", log);
  }
  // Of this browser alone: the server need not know.
  chooseMeasure(measure) {
    this.measure = measure;
    this.draw();
  }
  toggle(key) {
    if (!this.hidden.delete(key)) this.hidden.add(key);
    this.draw();
  }
  solo(key, panel) {
    const others = this.spec.series.filter((series) => series.panel === panel && series.key !== key && series.style !== "raw");
    const alone = others.every((series) => this.hidden.has(series.key));
    for (const series of others) alone ? this.hidden.delete(series.key) : this.hidden.add(series.key);
    this.hidden.delete(key);
    this.draw();
  }
  readAt(x) {
    if (this.reading === x) return;
    this.reading = x;
    for (const panel of this.#panels) panel.showReading(x);
  }
  #moment() {
    for (const panel of this.#panels) panel.momentAt(this.momentX);
  }

  // Twelve rows, spread over the run, the newest last; markers and levels in words below.
  #tabulate() {
    if (!this.details.open) return;
    const shown = this.spec.series.filter(({ key }) => this.points(key).length);
    const panel = (series) => this.spec.panels.find(({ key }) => key === series.panel) ?? {};
    const cell = (series, y) => (panel(series).percent ? percent(y) : digits(y));
    const xs = this.grid;
    const rows = [...new Set(Array.from({ length: 12 }, (_, i) => Math.round((i * (xs.length - 1)) / 11)))].map((i) => xs[i]);
    this.table.replaceChildren(
      html("thead", {}, html("tr", {}, [this.spec.xlabel ?? "x", ...shown.map((series) => [series.name, series.measure, panel(series).title].filter(Boolean).join(", "))].map((text) => html("th", { scope: "col" }, text)))),
      html("tbody", {}, rows.map((x) => html("tr", {}, html("th", { scope: "row" }, digits(x)), shown.map((series) => {
        const points = this.points(series.key);
        return html("td", {}, x > points.last.x || x < points.x[0] ? "" : cell(series, points.y[points.nearest(x)]));
      })))),
      html("caption", {}, [...this.markers.map(({ marker, text }) => `${this.spec.xlabel ?? "x"} ${digits(marker)}: ${text}`), ...this.levels.map(({ text }) => text)].join(" · ")),
    );
  }

  #purge() {
    for (const { plot } of this.#panels) if (plot.classList.contains("js-plotly-plot")) this.Plotly.purge(plot);
  }
  destroy() {
    this.draw.cancel();
    this.unwatch();
    this.moments.close();
    this.#purge();
  }
}

const NOTHING = new Series();

export default mounting(Curves);
