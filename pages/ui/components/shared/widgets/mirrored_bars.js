// Mirrored bars: teacher to the left, student and, hatched below it, its baseline to the right, one row per class.

const VALUE_ROOM = 46;
const SIDES = { teacher: -1, student: 1 };
let serial = 0;

class Mirror {
  #shape = "";
  #log = false;

  constructor(chart) {
    this.id = `dst-hatch-${++serial}`;
    this.chart = chart;
  }

  // what: {classes, roles, logits: {role: [K]}, label (or null), temperature, log, seen}; returns log-probabilities by role.
  // seen: from which to which pixel rows are drawn; of a hundred classes most are scrolled out of sight.
  draw(theme, width, what) {
    this.#log = what.log;
    this.#layout(theme, width, what);
    const at = (temperature) =>
      Object.fromEntries(Object.entries(what.logits).map(([role, logits]) => [role, logSoftmax(logits, temperature)]));
    const now = at(what.temperature);
    const ghost = at(1);
    const [from, to] = what.seen ?? [-Infinity, Infinity];
    this.rows.forEach((row, k) => {
      if (row.top > to || row.bottom < from) return;
      for (const role of what.roles) this.#bar(row[role], role, now[role]?.[k], ghost[role]?.[k]);
      if (row.is_labelled === (what.label === k)) return;
      row.is_labelled = what.label === k;
      attributes(row.label, { visibility: row.is_labelled ? "visible" : "hidden" });
      attributes(row.name, { "font-weight": row.is_labelled ? 600 : 400 });
    });
    return now;
  }
  get height() {
    return this.geometry.height;
  }

  // Share of the half-width: 0 … 1.
  #length(p) {
    return shareOf(p, this.#log);
  }

  #bar(parts, role, logp, ghost) {
    const { half, left, right } = this.geometry;
    const p = logp === undefined ? 0 : Math.exp(logp);
    const length = this.#length(p) * half;
    const outline = ghost === undefined ? 0 : this.#length(Math.exp(ghost)) * half;
    const put = (node, key, size) => {
      if (parts[key] === size) return;
      parts[key] = size;
      attributes(node, { width: size, ...(role === "teacher" ? { x: left - size } : {}) });
    };
    put(parts.bar, "length", length);
    if (!parts.value) return;
    put(parts.ghost, "outline", outline);
    write(parts.value, logp === undefined ? "" : p >= 0.01 ? p.toFixed(2) : this.#log ? digits(Math.max(p, FLOOR)) : "");
    // Between bar and outline if there is room, else beyond both: the outline must not cross the number.
    const end = (outline > length && outline - length < 44 ? outline : length) + 7;
    attributes(parts.value, { x: role === "teacher" ? left - end : right + end });
  }

  // Nodes are made when the shape of the chart changes; afterwards only their lengths move.
  #layout(theme, width, { classes, roles, log }) {
    const baseline = roles.includes("baseline");
    const shape = JSON.stringify([classes, roles.map((role) => [theme.role(role).name, theme.role(role).colour]), width, theme.dark, log]);
    if (shape === this.#shape) return;
    this.#shape = shape;
    const narrow = width < 480;
    const row = classes.length <= 3 ? 60 : classes.length <= 12 ? 36 : 28;
    const names = classes.map((name) => lines(name, narrow ? 64 : 170, theme.font));
    const longest = Math.max(...names.flat().map((line) => textWidth(line, theme.font)));
    const gutter = Math.max(narrow ? 48 : 64, longest + (narrow ? 44 : 56));
    const top = narrow ? 70 : 58;
    const half = (width - gutter) / 2 - VALUE_ROOM;
    const left = width / 2 - gutter / 2;
    const right = width / 2 + gutter / 2;
    const height = top + row * classes.length + 6;
    this.geometry = { half, left, right, height };
    attributes(this.chart, { width, height, viewBox: `0 0 ${width} ${height}` });
    this.chart.replaceChildren(this.#hatch(theme.role("baseline").colour));
    this.#headings(theme, left, right, baseline, narrow);
    this.#axis(left, right, half, top, height - 6);
    this.rows = names.map((name, k) => this.#row(name, classes[k], top + k * row, row, theme, roles));
  }

  #hatch(colour) {
    return svg("defs", {}, svg("pattern", { id: this.id, width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      svg("rect", { width: 2, height: 5, fill: colour })));
  }

  #headings(theme, left, right, baseline, narrow) {
    const text = (role, x, y, anchor, size) => {
      const { glyph, name, colour } = theme.role(role);
      const mark = svg("tspan", { fill: colour }, glyph);
      const parts = anchor === "end" ? [`${name} `, mark] : [mark, ` ${name}`];
      this.chart.append(svg("text", { x, y, "text-anchor": anchor, class: size }, parts));
    };
    text("teacher", left, 20, "end", "dst-heading");
    text("student", right, 20, "start", "dst-heading");
    if (baseline) text("baseline", narrow ? right : right + 98, narrow ? 36 : 20, "start", "dst-subheading");
    const outline = "outline: at T = 1";
    this.chart.append(svg("text", { x: narrow ? 0 : VALUE_ROOM, y: narrow ? 36 : 20, class: "dst-subheading" }, outline));
  }

  #axis(left, right, half, top, bottom) {
    const ticks = this.#log ? [1e-6, 1e-4, 1e-2, 1] : [0, 0.5, 1];
    for (const tick of ticks) {
      const at = this.#length(tick) * half;
      const label = this.#log && tick < 1 ? `10${raise(Math.log10(tick))}` : String(tick);
      for (const [x, anchor] of [[left - at, "end"], [right + at, "start"]]) {
        const end = at < 1 ? anchor : "middle";
        this.chart.append(
          svg("line", { x1: x, x2: x, y1: top - 4, y2: bottom, class: at < 1 ? "dst-base" : "dst-grid" }),
          svg("text", { x, y: top - 9, "text-anchor": end, class: "dst-tick" }, label),
        );
      }
    }
  }

  #row(name, title, y, height, theme, roles) {
    const { left, right } = this.geometry;
    const baseline = roles.includes("baseline");
    const thick = Math.min(30, Math.round(height * (baseline ? 0.46 : 0.6)));
    const thin = baseline ? Math.max(5, Math.round(thick * 0.36)) : 0;
    const start = y + Math.round((height - thick - (thin && thin + 2)) / 2);
    const middle = start + thick / 2;
    const parts = { top: y, bottom: y + height };
    const add = (node) => (this.chart.append(node), node);
    for (const [role, side] of Object.entries(SIDES)) {
      if (!roles.includes(role)) continue;
      const { colour } = theme.role(role);
      const x = side < 0 ? left : right;
      parts[role] = {
        bar: add(svg("rect", { x, y: start, width: 0, height: thick, fill: colour })),
        ghost: add(svg("rect", { x, y: start + 0.5, width: 0, height: thick - 1, class: "dst-ghost" })),
        value: add(svg("text", { x, y: middle, class: "dst-value", "text-anchor": side < 0 ? "end" : "start" })),
      };
    }
    if (baseline) {
      const { colour } = theme.role("baseline");
      parts.baseline = { bar: add(svg("rect", { x: right, y: start + thick + 2, width: 0, height: thin, fill: `url(#${this.id})`, stroke: colour, "stroke-width": 0.75 })) };
    }
    const centre = (left + right) / 2;
    const spans = name.map((line, i) => svg("tspan", { x: centre, y: middle + 15 * (i - (name.length - 1) / 2) }, line));
    parts.name = add(svg("text", { class: "dst-class" }, svg("title", {}, title), spans));
    const widest = Math.max(...name.map((line) => textWidth(line, theme.font)));
    parts.label = add(svg("text", { x: centre - widest / 2 - 13, y: middle, class: "dst-class", visibility: "hidden" }, "✕"));
    parts.is_labelled = false;
    return parts;
  }
}
