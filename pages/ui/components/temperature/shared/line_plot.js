// A small chart of lines. Its frame is built when its size changes; afterwards lines and marks only move.

class Plot {
  #axes = {};

  constructor(parent) {
    this.back = svg("g", { "aria-hidden": "true" });
    this.front = svg("g", { "aria-hidden": "true" });
    parent.append(this.back, this.front);
    this.parts = new Map();
  }

  // box: {x, y, width, height} of the plotting area; axes: {x, y}, each {low, high, log, ticks: [[value, text]], title}
  frame(box, axes) {
    const key = JSON.stringify([box, axes]);
    if (key === this.key) return;
    this.key = key;
    this.box = box;
    this.#axes = axes;
    this.parts.clear();
    this.front.replaceChildren();
    const { x, y, width, height } = box;
    const bottom = y + height;
    this.back.replaceChildren(
      ...axes.x.ticks.map(([value, text]) => svg("g", {},
        svg("line", { x1: this.x(value), x2: this.x(value), y1: y, y2: bottom, class: "dst-grid" }),
        svg("text", { x: this.x(value), y: bottom + 16, "text-anchor": "middle", class: "dst-tick" }, text))),
      ...axes.y.ticks.map(([value, text]) => svg("g", {},
        svg("line", { x1: x, x2: x + width, y1: this.y(value), y2: this.y(value), class: "dst-grid" }),
        svg("text", { x: x - 7, y: this.y(value), "text-anchor": "end", "dominant-baseline": "central", class: "dst-tick" }, text))),
      svg("text", { x: x + width / 2, y: bottom + 34, "text-anchor": "middle", class: "dst-tick" }, axes.x.title ?? ""),
      svg("text", { x, y: y - 11, "text-anchor": "start", class: "dst-tick" }, axes.y.title ?? ""),
    );
  }

  #place(value, { low, high, log }) {
    return log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  }
  x(value) {
    return this.box.x + this.box.width * this.#place(value, this.#axes.x);
  }
  y(value) {
    const share = this.#place(value, this.#axes.y);
    return this.box.y + this.box.height * (1 - Math.min(1, Math.max(0, Number.isFinite(share) ? share : 0)));
  }

  #part(id, make) {
    if (!this.parts.has(id)) {
      const node = make();
      this.parts.set(id, node);
      this.front.append(node);
    }
    return this.parts.get(id);
  }
  // points: [[x, y]]; style: {colour, dash, width}
  line(id, points, { colour, dash = "", width = 2 }) {
    const node = this.#part(id, () => svg("path", { fill: "none", "stroke-linejoin": "round" }));
    const d = points.map(([x, y], i) => `${i ? "L" : "M"}${this.x(x).toFixed(2)},${this.y(y).toFixed(2)}`).join("");
    attributes(node, { d, stroke: colour, "stroke-width": width, "stroke-dasharray": dash === "solid" ? "none" : dash });
  }
  // The area between two lines of the same x.
  band(id, upper, lower, { colour, opacity = 0.25 }) {
    const node = this.#part(id, () => svg("path", { stroke: "none" }));
    const all = [...upper, ...[...lower].reverse()];
    const d = `${all.map(([x, y], i) => `${i ? "L" : "M"}${this.x(x).toFixed(2)},${this.y(y).toFixed(2)}`).join("")}Z`;
    attributes(node, { d, fill: colour, "fill-opacity": opacity });
  }
  // A glyph of the palette (■ ● ○ ✕) at a point.
  mark(id, x, y, glyph, colour) {
    const node = this.#part(id, () => svg("text", { "text-anchor": "middle", "dominant-baseline": "central", "font-size": 15 }));
    write(node, glyph);
    attributes(node, { x: this.x(x), y: this.y(y), fill: colour });
  }
  text(id, x, y, words, { anchor = "start", dx = 0, dy = 0, colour = "" } = {}) {
    const node = this.#part(id, () => svg("text", { "dominant-baseline": "central", "font-size": 13 }));
    write(node, words);
    attributes(node, { x: this.x(x) + dx, y: this.y(y) + dy, "text-anchor": anchor, ...(colour ? { fill: colour } : {}) });
  }
  // A vertical line through the whole plot: where the temperature stands.
  rule(id, x, { dash = "" } = {}) {
    const node = this.#part(id, () => svg("line", { class: "dst-rule", y1: this.box.y, y2: this.box.y + this.box.height }));
    attributes(node, { x1: this.x(x), x2: this.x(x), "stroke-dasharray": dash });
  }
}

const CURVES = 4; // milliseconds of a frame that may go into curves, which are finished over a few frames

const temperatureText = (temperature) => String(Number(temperature.toFixed(2)));

// The axis of every chart over the temperature.
const TEMPERATURE_TICKS = [0.5, 1, 2, 4, 8, 16, 32, 64];
function temperatureAxis([low, high]) {
  const ticks = TEMPERATURE_TICKS.filter((tick) => tick >= low && tick <= high).map((tick) => [tick, String(tick)]);
  return { low, high, log: true, ticks, title: "temperature T" };
}
// `count` temperatures from low to high, equal steps in the logarithm.
const temperatureGrid = ([low, high], count = 61) => Array.from({ length: count }, (_, i) => low * (high / low) ** (i / (count - 1)));

// Round ticks from 0, for an axis that ends at `high` or a little above: {low, high, ticks}.
function roundAxis(high, title) {
  const raw = (high || 1) / 4;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * size).find((candidate) => candidate >= raw);
  const top = Math.ceil((high || 1) / step - 1e-9) * step;
  const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, i) => i * step);
  return { low: 0, high: top, log: false, ticks: ticks.map((tick) => [tick, String(Number(tick.toPrecision(4)))]), title };
}
