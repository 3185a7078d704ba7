// Soft targets of one image: teacher to the left, student (and, hatched below it, its baseline) to the right.
//
// Payload: classes [name], temperature, temperatures [lowest, highest], images [{src, x, y, label, title}], image (the
// one chosen at first), roles, empty. Frames: {moment, logits: {role: [[K numbers] for each image]}}.
// Sets the states temperature and image.

const FLOOR = 1e-6;
const VALUE_ROOM = 46;
const ORDER = ["teacher", "student", "baseline"];
let serial = 0;

class Bars {
  #feed = new Feed();
  #frames = {};
  #log = false;
  #width = 0;
  #shape = "";

  constructor(root) {
    this.id = `dst-hatch-${++serial}`;
    root.classList.add("dst-bars");
    this.root = root;
    this.draw = redrawing(() => this.#draw());
    this.empty = html("p", { class: "dst-empty", hidden: true });
    this.examples = new Examples((i) => {
      this.draw();
      this.setStateValue("image", i);
    });
    this.title = html("span", { class: "dst-title" });
    this.scale = ["linear", "log"].map((name) => html("button", { type: "button", onclick: () => this.#chooseLog(name === "log") }, name));
    const toggle = html("div", { class: "dst-toggle", role: "group", "aria-label": "Scale of the probabilities" }, this.scale);
    this.head = html("div", { class: "dst-head" }, this.title, toggle);
    this.chart = svg("svg", { role: "img" });
    this.scroll = html("div", { class: "dst-rows" }, this.chart);
    this.handle = new TemperatureHandle({ moved: this.draw, chosen: (value) => this.setStateValue("temperature", value) });
    this.readouts = html("div", { class: "dst-readouts" });
    this.body = html("div", {}, this.examples.node, this.head, this.scroll, this.handle.node, this.readouts);
    root.append(this.empty, this.body);
    this.moments = new Moments(this.draw);
    this.unwatch = watchWidth(this.scroll, (width) => {
      this.#width = width;
      this.draw();
    });
  }

  update(data, { setStateValue, setTriggerValue }) {
    const { cleared, fresh } = this.#feed.take(data, setTriggerValue);
    const images = this.#feed.keep(data, "images", []);
    this.spec = { classes: [], ...data, images, roles: ORDER.filter((role) => (data.roles ?? ORDER).includes(role)) };
    this.setStateValue = setStateValue;
    if (cleared) this.#frames = {};
    this.moments.join(data.run);
    for (const { moment, logits } of fresh) {
      for (const [role, values] of Object.entries(logits)) (this.#frames[role] ??= []).push({ moment, values });
    }
    this.examples.update(images, data.image);
    this.handle.update(data.temperature ?? 4, data.temperatures ?? [0.5, 20]);
    this.draw();
  }

  #chooseLog(log) {
    this.#log = log;
    this.draw();
  }

  // --- the drawing ----------------------------------------------------------------------------------------------

  logits(role) {
    return latestAt(this.#frames[role] ?? [], this.moments.shown)?.values[this.examples.chosen] ?? null;
  }
  // Share of the half-width: 0 … 1.
  #length(p) {
    return this.#log ? Math.max(0, 1 + Math.log10(Math.max(p, FLOOR)) / 6) : p;
  }

  #draw() {
    const { classes, images } = this.spec;
    const known = Object.fromEntries(this.spec.roles.map((role) => [role, this.logits(role)]).filter(([, values]) => values));
    const blank = images.length === 0 || !Object.values(this.#frames).some((list) => list.length);
    this.empty.hidden = !blank;
    this.body.hidden = blank;
    write(this.empty, this.spec.empty ?? "No predictions yet.");
    if (blank || !this.#width) return;
    const theme = readTheme(this.root);
    const image = images[this.examples.chosen];
    this.#layout(theme, classes);
    write(this.title, image.title ?? "");
    this.scale.forEach((button, i) => attributes(button, { "aria-pressed": String(this.#log === (i === 1)) }));
    const T = this.handle.value;
    const at = (temperature) => Object.fromEntries(Object.entries(known).map(([role, values]) => [role, logSoftmax(values, temperature)]));
    const now = at(T);
    const ghost = at(1);
    this.rows.forEach((row, k) => {
      for (const role of this.spec.roles) this.#bar(row[role], role, now[role]?.[k], ghost[role]?.[k]);
      attributes(row.label, { visibility: image.label === k ? "visible" : "hidden" });
      attributes(row.name, { "font-weight": image.label === k ? 600 : 400 });
    });
    this.#say(now, T, theme, image);
  }

  #bar(parts, role, logp, ghost) {
    const { half, left, right } = this.geometry;
    const p = logp === undefined ? 0 : Math.exp(logp);
    const length = this.#length(p) * half;
    attributes(parts.bar, { width: length, ...(role === "teacher" ? { x: left - length } : {}) });
    if (!parts.value) return;
    const outline = ghost === undefined ? 0 : this.#length(Math.exp(ghost)) * half;
    attributes(parts.ghost, { width: outline, ...(role === "teacher" ? { x: left - outline } : {}) });
    write(parts.value, logp === undefined ? "" : p >= 0.01 ? p.toFixed(2) : this.#log ? digits(Math.max(p, FLOOR)) : "");
    // Between bar and outline if there is room, else beyond both: the outline must not cross the number.
    const end = (outline > length && outline - length < 44 ? outline : length) + 7;
    attributes(parts.value, { x: role === "teacher" ? left - end : right + end });
  }

  // Nodes are made when the shape of the chart changes; afterwards only their lengths move.
  #layout(theme, classes) {
    const baseline = this.spec.roles.includes("baseline");
    const shape = JSON.stringify([classes, this.spec.roles, this.#width, theme.dark, this.#log]);
    if (shape === this.#shape) return;
    this.#shape = shape;
    const width = this.#width;
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
    this.geometry = { half, left, right };
    attributes(this.chart, { width, height, viewBox: `0 0 ${width} ${height}` });
    this.chart.replaceChildren(this.#hatch(theme.role("baseline").colour));
    this.#headings(theme, left, right, baseline, narrow);
    this.#axis(left, right, half, top, height - 6);
    this.rows = names.map((name, k) => this.#row(name, classes[k], top + k * row, row, theme, baseline));
    this.scroll.tabIndex = height > 560 ? 0 : -1;
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

  #row(name, title, y, height, theme, baseline) {
    const { left, right } = this.geometry;
    const thick = Math.min(30, Math.round(height * (baseline ? 0.46 : 0.6)));
    const thin = baseline ? Math.max(5, Math.round(thick * 0.36)) : 0;
    const start = y + Math.round((height - thick - (thin && thin + 2)) / 2);
    const middle = start + thick / 2;
    const parts = {};
    const add = (node) => (this.chart.append(node), node);
    const side = { teacher: left, student: right };
    for (const role of ["teacher", "student"]) {
      if (!this.spec.roles.includes(role)) continue;
      const { colour } = theme.role(role);
      parts[role] = {
        bar: add(svg("rect", { x: side[role], y: start, width: 0, height: thick, fill: colour })),
        ghost: add(svg("rect", { x: side[role], y: start + 0.5, width: 0, height: thick - 1, class: "dst-ghost" })),
        value: add(svg("text", { x: side[role], y: middle, class: "dst-value", "text-anchor": role === "teacher" ? "end" : "start" })),
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
    parts.label = add(svg("text", { x: centre - widest / 2 - 13, y: middle, class: "dst-class" }, "✕"));
    return parts;
  }

  // --- in words ---------------------------------------------------------------------------------------------------

  #say(now, T, theme, image) {
    const { classes } = this.spec;
    const best = (logp) => logp.indexOf(Math.max(...logp));
    const parts = Object.entries(now).map(([role, logp]) => [role, best(logp), Math.exp(Math.max(...logp))]);
    const whole = (share) => `${Math.round(100 * share)} percent`;
    const spoken = parts.map(([role, k, p]) => `${role}'s top class ${classes[k]}, ${whole(p)}`).join("; ");
    this.handle.say(`Temperature ${this.handle.text}, ${spoken}`);
    attributes(this.chart, {
      "aria-label": `Probabilities at temperature ${this.handle.text} for ${image.title ?? "the example"}, labelled ${classes[image.label] ?? "unknown"}: ${spoken}.`,
    });
    const term = (name, value, glyph, colour) => ({ name, value, glyph, colour });
    const terms = Object.entries(now).map(([role, logp]) => {
      const { name, glyph, colour } = theme.role(role);
      return term(name, entropy(logp).toFixed(2), glyph, colour);
    });
    const distances = ["student", "baseline"]
      .filter((role) => now.teacher && now[role])
      .map((role) => term(`teacher ‖ ${role}`, digits(divergence(now.teacher, now[role]))));
    const line = (name, list) =>
      list.length ? html("p", {}, html("span", { class: "dst-soft" }, name), list.map(({ name: what, value, glyph, colour }) =>
        html("span", { class: "dst-term" }, glyph ? html("i", { style: `color: ${colour}` }, glyph) : null, `${what} `, html("b", {}, value)))) : null;
    this.readouts.replaceChildren(...[line("Entropy, nats", terms), line("KL, nats", distances)].filter(Boolean));
  }

  destroy() {
    this.draw.cancel();
    this.unwatch();
    this.moments.close();
    this.handle.destroy();
  }
}

export default mounting(Bars);
