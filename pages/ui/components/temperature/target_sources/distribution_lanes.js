// Several distributions over the same classes: a row per class, and in it a lane per distribution, on one axis.

const MANY = 12; // classes; of more, the label and the likeliest have rows of their own, and the others share one
const BESIDE = 9;
const LANE = 9;
const LOG_TICKS = [[FLOOR, "≤ 10⁻⁶"], [1e-4, "10⁻⁴"], [1e-2, "0.01"], [1, "1"]];
const LINEAR_TICKS = [0, 0.25, 0.5, 0.75, 1].map((p) => [p, String(p)]);

class Lanes {
  #shape = "";

  constructor(chart) {
    this.chart = chart;
  }

  // what: {classes, label, teacher ([K] logits or null), sources: [{id, title, glyph, colour, dash, width}],
  // targets: {id: log-probabilities}, log}
  draw(theme, width, what) {
    const { classes, label, teacher, sources, targets, log } = what;
    const rows = this.#rows(classes, label, teacher);
    this.log = log;
    this.#layout(theme, width, rows, sources, classes.length);
    const uniform = this.#x(1 / classes.length);
    attributes(this.uniform, { x1: uniform, x2: uniform });
    rows.forEach(({ members }, at) => {
      const parts = this.parts[at];
      const isLabelled = members.includes(label);
      write(parts.written, isLabelled ? `✕ ${this.geometry.names[at]}` : this.geometry.names[at]);
      attributes(parts.name, { "font-weight": isLabelled ? 600 : 400 });
      const mean = (logp) => members.reduce((sum, k) => sum + Math.exp(logp[k]), 0) / members.length;
      for (const { id } of sources) this.#put(parts[id], mean(targets[id]));
    });
  }
  #put({ stem, mark, value }, p) {
    const x = this.#x(p);
    attributes(stem, { x2: x });
    attributes(mark, { x });
    if (value) write(value, p >= 0.01 ? p.toFixed(3) : digits(p));
  }
  #x(p) {
    const { left, room } = this.geometry;
    return left + room * shareOf(p, this.log);
  }

  // In an order that the temperature does not change. A row of several classes shows their mean.
  #rows(classes, label, teacher) {
    const all = classes.map((_, k) => k);
    if (classes.length <= MANY) return all.map((k) => ({ name: classes[k], members: [k] }));
    const others = all.filter((k) => k !== label);
    if (teacher) others.sort((a, b) => teacher[b] - teacher[a]);
    const rest = others.splice(BESIDE);
    return [...[label, ...others].map((k) => ({ name: classes[k], members: [k] })), { name: `${rest.length} others`, members: rest }];
  }

  #layout(theme, width, rows, sources, count) {
    const names = rows.map(({ name }) => name);
    const shape = JSON.stringify([names, sources, width, theme.background, this.log, count]);
    if (shape === this.#shape) return;
    this.#shape = shape;
    const narrow = width < 480;
    const most = narrow ? 84 : 150;
    const fitting = names.map((name) => shortened(name, (text) => textWidth(text, theme.font) <= most - 16));
    const gutter = Math.min(most, 16 + Math.max(...fitting.map((name) => textWidth(name, theme.font)))) + 12;
    const [left, right] = [gutter, narrow ? 12 : 62];
    const top = narrow ? 82 : 62;
    const row = LANE * sources.length + 9;
    const bottom = top + row * rows.length;
    this.geometry = { left, room: width - left - right, names: fitting };
    this.height = bottom + 40;
    attributes(this.chart, { width, height: this.height, viewBox: `0 0 ${width} ${this.height}` });
    this.chart.replaceChildren();
    const add = (node) => (this.chart.append(node), node);
    this.#legend(add, sources, width, narrow);
    for (const [p, text] of this.log ? LOG_TICKS : LINEAR_TICKS) {
      const x = this.#x(p);
      add(svg("line", { x1: x, x2: x, y1: top - 2, y2: bottom, class: "dst-grid" }));
      add(svg("text", { x, y: bottom + 16, "text-anchor": "middle", class: "dst-tick" }, text));
    }
    add(svg("text", { x: left + this.geometry.room / 2, y: bottom + 34, "text-anchor": "middle", class: "dst-tick" }, "probability"));
    this.uniform = add(svg("line", { y1: top - 2, y2: bottom, class: "dst-rule" }));
    const middle = Math.min(this.#x(1 / count), width - 36);
    add(svg("text", { x: middle, y: top - 9, "text-anchor": "middle", class: "dst-tick" }, `uniform 1/${count}`));
    if (!narrow && sources.at(-1).id === "teacher") {
      add(svg("text", { x: width, y: top - 9, "text-anchor": "end", fill: theme.role("teacher").colour }, "■"));
    }
    this.parts = names.map((name, at) => {
      const y = top + at * row;
      const middle = y + row / 2;
      const written = svg("tspan");
      const place = { x: left - 12, y: middle, "text-anchor": "end", "dominant-baseline": "central", "font-size": 14 };
      const parts = { written, name: add(svg("text", place, svg("title", {}, name), written)) };
      if (at) add(svg("line", { x1: left, x2: width - right, y1: y, y2: y, class: "dst-grid" }));
      sources.forEach(({ id, glyph, colour, dash, width: thick }, lane) => {
        const height = y + 9 + lane * LANE;
        parts[id] = {
          stem: add(this.#line(left, left, height, { colour, dash, thick, opacity: 0.6 })),
          mark: add(svg("text", { y: height, "text-anchor": "middle", "dominant-baseline": "central", "font-size": 13, fill: colour })),
        };
        write(parts[id].mark, glyph);
        if (id !== "teacher" || narrow) return;
        parts[id].value = add(svg("text", { x: width, y: middle, "text-anchor": "end", "dominant-baseline": "central", fill: colour }));
      });
      return parts;
    });
  }

  #line(x1, x2, y, { colour, dash, thick, opacity = 1 }) {
    const look = { stroke: colour, "stroke-width": thick, "stroke-opacity": opacity, "stroke-dasharray": dash === "solid" ? "none" : dash };
    return svg("line", { x1, x2, y1: y, y2: y, ...look });
  }
  #legend(add, sources, width, narrow) {
    const columns = narrow ? 2 : sources.length;
    sources.forEach(({ title, glyph, colour, dash, width: thick }, at) => {
      const [x, y] = [(at % columns) * (width / columns), 14 + 22 * Math.floor(at / columns)];
      add(this.#line(x, x + 22, y, { colour, dash, thick }));
      add(svg("text", { x: x + 22, y, "text-anchor": "middle", "dominant-baseline": "central", fill: colour }, glyph));
      add(svg("text", { x: x + 33, y, "dominant-baseline": "central" }, title));
    });
  }
}
