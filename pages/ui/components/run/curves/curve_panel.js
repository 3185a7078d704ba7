// One panel of the curves: heading, plot, labels that are switches, readings under the pointer.

const NARROW = 520;
const DIRECT = 6; // labels beside the lines; more would push each other away from them
const MEASURES = ["weighted", "raw"];
const HEIGHT = 264;

// A short sample of the series' line with its marker: recognisable without its colour.
// Beside the end of the line itself the marker is enough, if it has one.
function sample(look, style, short = false) {
  const box = short ? "8 0 10 12" : "0 0 26 12";
  const node = svg("svg", { class: "dst-sample", viewBox: box, width: short ? 10 : 26, height: 12, "aria-hidden": "true" });
  const open = look.glyph === "○";
  const line = {
    x1: short ? 8 : 0, x2: short ? 18 : 26, y1: 6, y2: 6, stroke: look.colour, "stroke-width": style === "thin" ? 1 : look.width,
    "stroke-dasharray": look.dash === "solid" ? "none" : look.dash, opacity: style === "raw" ? 0.35 : 1,
  };
  if (!short || look.glyph === "✕") node.append(svg("line", line));
  const paint = { fill: open ? "var(--paper)" : look.colour, stroke: look.colour, "stroke-width": 1.5 };
  if (style === "thin") return node; // such lines bear no marker
  if (look.glyph === "■") node.append(svg("rect", { x: 9.5, y: 2.5, width: 7, height: 7, ...paint }));
  else if (look.glyph !== "✕") node.append(svg("circle", { cx: 13, cy: 6, r: 3.5, ...paint }));
  return node;
}

class Panel {
  names = "";

  constructor(spec, curves) {
    this.spec = spec;
    this.curves = curves;
    this.heading = html("h3", {}, spec.title);
    if (spec.unit && !spec.percent) this.heading.append(html("span", { class: "dst-unit" }, spec.unit));
    this.reset = html("button", { class: "dst-reset", type: "button", hidden: true, onclick: () => curves.zoomTo(null) }, "Reset zoom");
    this.scale = ["linear", "log"].map((name) =>
      html("button", { type: "button", onclick: () => curves.chooseLog(name === "log") }, name),
    );
    const toggle = html("div", { class: "dst-toggle", role: "group", "aria-label": `${spec.title}: scale` }, this.scale);
    toggle.hidden = !spec.log;
    this.measures = MEASURES.map((name) => html("button", { type: "button", onclick: () => curves.chooseMeasure(name) }, name));
    this.measured = html("div", { class: "dst-toggle", role: "group", "aria-label": `${spec.title}: parts of the sum` }, this.measures);
    this.plot = html("div", { class: "dst-plot", role: "img", tabindex: "0" });
    this.overlay = new Overlay();
    this.empty = html("p", { class: "dst-empty" }, "Not measured yet.");
    this.reading = html("div", { class: "dst-reading", hidden: true });
    this.legend = html("div", { class: "dst-legend", role: "group", "aria-label": `${spec.title}: series shown` });
    this.stage = html("div", { class: "dst-stage" }, this.plot, this.overlay.node, this.reading);
    this.node = html("section", { class: "dst-panel" }, html("header", {}, this.heading, this.reset, this.measured, toggle), this.legend, this.empty, this.stage);
    this.plot.addEventListener("pointermove", (event) => this.#point(event));
    this.plot.addEventListener("pointerdown", (event) => event.pointerType !== "mouse" && this.#point(event));
    this.plot.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && curves.readAt(null));
    this.plot.addEventListener("keydown", (event) => this.#key(event));
  }

  // Parts of a sum are drawn as they are, or with the weight that they count with.
  get mine() {
    const { spec, measure } = this.curves;
    return spec.series.filter((series) => series.panel === this.spec.key && (!series.measure || series.measure === measure));
  }
  #look(series) {
    const look = this.curves.theme.role(series.role);
    return series.dash ? { ...look, dash: series.dash } : look;
  }
  // A raw line belongs to the smoothed line of its role: it has no label of its own and is hidden with it.
  hides({ key, role, style }) {
    const { hidden } = this.curves;
    if (style !== "raw") return hidden.has(key);
    return this.mine.some((other) => other.style !== "raw" && other.role === role && hidden.has(other.key));
  }
  get log() {
    return this.spec.log && this.curves.log;
  }
  value(y) {
    if (this.spec.percent) return percent(y);
    return this.spec.unit ? `${digits(y)} ${this.spec.unit}` : digits(y);
  }

  #short(y) {
    return this.spec.percent ? percent(y) : digits(y);
  }

  draw(Plotly, theme, width, xRange) {
    const narrow = width < NARROW;
    const all = this.mine.filter((series) => this.curves.points(series.key).length);
    const named = all.filter(({ style }) => style !== "raw");
    const blank = named.length === 0;
    this.empty.hidden = !blank;
    this.stage.hidden = this.legend.hidden = blank;
    if (blank) return;
    const direct = !narrow && named.length <= DIRECT;
    this.measured.hidden = !this.curves.spec.series.some((series) => series.panel === this.spec.key && series.measure);
    this.#labels(named, theme, direct);
    const visible = all.filter((series) => !this.hides(series));
    const levels = this.curves.levels.filter((level) => this.mine.some(({ key }) => key === level.level));
    const values = visible.flatMap(({ key }) => this.curves.points(key).within(xRange));
    const range = valueRange(values.concat(values.length ? levels.map(({ y }) => y) : []), this.spec, this.log);
    const room = direct ? Math.min(0.4 * width, 22 + Math.max(0, ...Array.from(this.legend.children, (button) => button.offsetWidth))) : 14;
    const font = { family: theme.font, size: 12, color: theme.soft };
    const axis = { zeroline: false, tickfont: font, ticks: "", showline: false, automargin: false };
    const layout = {
      width,
      height: narrow ? 232 : HEIGHT,
      margin: { l: 46, r: room, t: this.curves.markers.length ? 38 : 12, b: 42 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      showlegend: false,
      hovermode: false,
      dragmode: "zoom",
      font,
      xaxis: { ...axis, range: xRange, showgrid: false, nticks: narrow ? 5 : 7, title: { text: this.curves.spec.xlabel, font, standoff: 8 } },
      yaxis: {
        ...axis, range, type: this.log ? "log" : "linear", fixedrange: true, nticks: 5, gridwidth: 1,
        gridcolor: theme.rule,
        tickformat: this.spec.percent ? ",~%" : undefined, ...(this.log ? logTicks(range) : { tickmode: "auto" }),
      },
    };
    const first = !this.plot.classList.contains("js-plotly-plot");
    Plotly.react(this.plot, all.map((series) => this.#trace(series)), layout, { displayModeBar: false, doubleClick: false });
    if (first) {
      this.plot.on("plotly_relayout", (change) => this.#zoomed(change));
      this.plot.on("plotly_doubleclick", () => this.curves.zoomTo(null));
    }
    this.#over(theme, levels, direct, named);
  }

  #trace(series) {
    const { key, name, style } = series;
    const { x, y } = this.curves.points(key);
    const look = this.#look(series);
    const quiet = style === "thin" || style === "raw";
    // Only the newest point bears the marker: on every point it would hide the line.
    const size = new Array(x.length).fill(0);
    size[x.length - 1] = quiet ? 0 : 8;
    return {
      x, y, name, type: "scatter", mode: "lines+markers", hoverinfo: "skip", cliponaxis: false,
      visible: !this.hides(series),
      opacity: style === "raw" ? 0.3 : 1,
      // A dense line is a texture: thinner, or it hides what lies below it.
      line: { color: look.colour, width: quiet ? 1 : x.length > 150 ? 1.5 : look.width, dash: look.dash, simplify: false },
      marker: { size, opacity: 1, symbol: look.symbol, color: look.colour, line: { width: look.symbol.endsWith("open") ? 1.5 : 0, color: look.colour } },
    };
  }

  // The labels at the ends of the lines are the legend: a press hides a series, a double press shows it alone.
  #labels(named, theme, direct) {
    this.legend.classList.toggle("dst-direct", direct);
    if (direct && this.legend.parentElement !== this.stage) this.stage.append(this.legend);
    if (!direct && this.legend.parentElement === this.stage) this.stage.before(this.legend);
    const names = JSON.stringify([named.map(({ key, name, role }) => [key, name, role]), theme.dark, direct]);
    if (names !== this.names) {
      this.names = names;
      this.legend.replaceChildren(
        ...named.map(({ key, name, role, style, dash }) =>
          html(
            "button",
            { type: "button", "data-series": key, onclick: () => this.curves.toggle(key), ondblclick: () => this.curves.solo(key, this.spec.key) },
            sample(this.#look({ role, dash }), style, direct && style !== "thin"), html("span", {}, name), html("b"),
          ),
        ),
      );
    }
    named.forEach(({ key }, i) => {
      const button = this.legend.children[i];
      attributes(button, { "aria-pressed": String(!this.curves.hidden.has(key)) });
      write(button.lastChild, this.#short(this.curves.points(key).last.y));
    });
  }

  #over(theme, levels, direct, named) {
    const { xaxis, yaxis, _size: size } = this.plot._fullLayout;
    const frame = {
      left: size.l, right: size.l + size.w, top: size.t, bottom: size.t + size.h,
      x: (value) => size.l + xaxis.d2p(value),
      y: (value) => size.t + yaxis.d2p(value),
    };
    this.overlay.draw(frame, this.curves.markers, levels.map((level) => {
      const look = theme.role(this.mine.find(({ key }) => key === level.level).role);
      return { ...level, colour: look.colour, dash: look.dash === "solid" ? "none" : look.dash };
    }));
    if (direct) {
      const wanted = named.map(({ key }) => {
        const { y } = this.curves.points(key).last;
        return Math.min(frame.bottom, Math.max(frame.top, this.log && y <= 0 ? frame.bottom : frame.y(y)));
      });
      spread(wanted, 26, frame.top, frame.bottom).forEach((y, i) => {
        this.legend.children[i].style.top = `${y}px`;
      });
    }
    this.legend.style.left = direct ? `${frame.right + 14}px` : "";
    this.reset.hidden = this.curves.zoom === null;
    this.measures.forEach((button, i) => attributes(button, { "aria-pressed": String(this.curves.measure === MEASURES[i]) }));
    this.scale.forEach((button, i) => attributes(button, { "aria-pressed": String(Boolean(this.log) === (i === 1)) }));
    attributes(this.plot, { "aria-label": this.#sentence(named) });
    this.momentAt(this.curves.momentX);
    this.showReading(this.curves.reading);
  }

  #sentence(named) {
    const parts = named.map(({ key, name }) => `${name} ${this.value(this.curves.points(key).last.y)}`);
    const newest = Math.max(...named.map(({ key }) => this.curves.points(key).last.x));
    return `${this.spec.title}, line chart. At ${this.curves.spec.xlabel ?? "x"} ${digits(newest)}: ${parts.join(", ")}. Arrow keys read values.`;
  }

  #zoomed(change) {
    if (change["xaxis.range[0]"] !== undefined) this.curves.zoomTo([change["xaxis.range[0]"], change["xaxis.range[1]"]]);
  }

  momentAt(x) {
    this.overlay.moment(x);
  }

  // The x of the point of a visible series that is nearest to a position.
  snap(x) {
    let best = null;
    for (const series of this.mine) {
      const points = this.curves.points(series.key);
      if (!points.length || this.hides(series)) continue;
      const at = points.x[points.nearest(x)];
      if (best === null || Math.abs(at - x) < Math.abs(best - x)) best = at;
    }
    return best;
  }

  #point(event) {
    if (!this.overlay.frame) return;
    const at = event.clientX - this.plot.getBoundingClientRect().left - this.overlay.frame.left;
    const { xaxis } = this.plot._fullLayout;
    this.curves.readAt(at < -8 || at > xaxis._length + 8 ? null : this.snap(xaxis.p2d(at)));
  }

  #key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") this.curves.readAt(null);
    const shown = this.mine.filter((series) => !this.hides(series));
    const xs = shown.map(({ key }) => this.curves.points(key).x).reduce((a, b) => (b.length > a.length ? b : a), []);
    if (!step || !xs.length) return;
    event.preventDefault();
    const current = this.curves.reading ?? xs.at(-1);
    const at = xs.findIndex((x) => x >= current);
    this.curves.readAt(xs[Math.max(0, Math.min(xs.length - 1, (at < 0 ? xs.length - 1 : at) + step))]);
  }

  // The readings at x, the highest first. A series that has no point near x has nothing to say there.
  showReading(x) {
    const at = this.overlay.read(x);
    this.reading.hidden = at === null;
    if (at === null) return;
    const { left, right, top } = this.overlay.frame;
    const [from, to] = this.plot._fullLayout.xaxis.range;
    const rows = this.mine
      .filter((series) => this.curves.points(series.key).length && !this.hides(series))
      .map((series) => ({ series, points: this.curves.points(series.key) }))
      .map(({ series, points }) => ({ series, i: points.nearest(x), points }))
      .filter(({ points, i }) => Math.abs(points.x[i] - x) <= 0.02 * (to - from))
      .sort((a, b) => b.points.y[b.i] - a.points.y[a.i]);
    this.reading.replaceChildren(
      html("div", { class: "dst-soft" }, `${this.curves.spec.xlabel ?? "x"} ${digits(x)}`),
      ...rows.map(({ series, points, i }) =>
        html("div", {}, sample(this.#look(series), series.style), html("span", {}, series.name), html("b", {}, this.value(points.y[i]))),
      ),
    );
    const width = this.reading.offsetWidth;
    const beside = at + 12 + width < Math.max(right, left + width + 24) ? at + 12 : at - 12 - width;
    this.reading.style.transform = `translate(${Math.max(0, beside)}px, ${top + 4}px)`;
  }
}
