// Heat maps: matrices as colours, one pixel per cell, enlarged by the browser; frames, names and scales are SVG above them.

const CIVIDIS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"];
const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
const DECADES = 4; // of a fitted logarithmic scale

// Colours from equally spaced stops: 256 pixels, and the stops themselves for the colour bar.
function ramp(stops) {
  const colours = stops.map(rgb);
  const pixels = Uint32Array.from({ length: 256 }, (_, i) => {
    const at = (i / 255) * (stops.length - 1);
    const from = Math.min(Math.floor(at), stops.length - 2);
    const [red, green, blue] = [0, 1, 2].map((part) => Math.round(colours[from][part] + (at - from) * (colours[from + 1][part] - colours[from][part])));
    return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  });
  return { stops, pixels };
}

// From a value to its share of a colour scale, 0 … 1. What is no number has no colour.
function scaleOf({ low, high, log }) {
  if (!(high > low)) return (value) => (Number.isFinite(value) ? Number(value > high) : NaN);
  if (!log) return (value) => (value - low) / (high - low);
  const decades = Math.log(high / low);
  return (value) => (value > 0 ? Math.log(value / low) / decades : value * 0);
}

class Heat {
  constructor(box) {
    this.box = box;
    const place = `left: ${box.x}px; top: ${box.y}px; width: ${box.side}px; height: ${box.side}px`;
    this.canvas = html("canvas", { class: "dst-heat", "aria-hidden": "true", style: place });
    this.paper = this.canvas.getContext("2d");
  }
  // values: count × count, row by row; place: from scaleOf; pixels: from ramp
  draw(values, count, place, pixels, diagonal) {
    if (this.image?.width !== count) {
      attributes(this.canvas, { width: count, height: count });
      this.image = this.paper.createImageData(count, count);
      this.cells = new Uint32Array(this.image.data.buffer);
    }
    for (let at = 0; at < values.length; at += 1) {
      const share = !diagonal && at % (count + 1) === 0 ? NaN : place(values[at]);
      this.cells[at] = share === share ? pixels[Math.min(255, Math.max(0, Math.round(255 * share)))] : 0;
    }
    this.paper.putImageData(this.image, 0, 0);
  }
  // For export: enlarged here already, since not every program honours image-rendering.
  get picture() {
    const { x, y, side } = this.box;
    const zoom = Math.max(1, Math.ceil((2 * side) / this.canvas.width));
    const large = html("canvas", { width: zoom * this.canvas.width, height: zoom * this.canvas.height });
    const paper = large.getContext("2d");
    paper.imageSmoothingEnabled = false;
    paper.drawImage(this.canvas, 0, 0, large.width, large.height);
    const href = large.toDataURL();
    return svg("image", { x, y, width: side, height: side, preserveAspectRatio: "none", style: "image-rendering: pixelated", href });
  }
}

// A horizontal colour bar with its numbers at both ends and in the middle.
class ColourBar {
  constructor(id, { x, y, width }, { stops }, title, theme) {
    const gradient = svg("linearGradient", { id }, stops.map((colour, i) => svg("stop", { offset: i / (stops.length - 1), style: `stop-color: ${colour}` })));
    const tick = (at, anchor) => svg("text", { x: at, y: y + 26, "text-anchor": anchor, class: "dst-tick" });
    this.ticks = [tick(x, "start"), tick(x + width / 2, "middle"), tick(x + width, "end")];
    this.node = svg("g", { "aria-hidden": "true" },
      svg("defs", {}, gradient),
      svg("text", { x, y: y - 6, class: "dst-tick" }, title),
      svg("rect", { x: x + 0.5, y: y + 0.5, width: width - 1, height: 10, fill: `url(#${id})`, stroke: theme.rule }),
      this.ticks);
  }
  say(texts) {
    texts.forEach((text, i) => write(this.ticks[i], text));
  }
}

// Where maps, names and titles lie. Four in a row if there is room, else two, else one.
class HeatLayout {
  constructor(width, maps, classes, font) {
    const count = classes.length;
    pencil.font = `12px ${font}`;
    const long = (name) => pencil.measureText(name).width;
    const longest = Math.min(Math.max(...classes.map(long)), width < 520 ? 52 : 84);
    this.classes = classes.map((name) => shortened(name, (text) => long(text) <= longest + 1));
    this.title = 18 + longest + 8;
    const gap = width < 520 ? 14 : 22;
    // Names of a few letters stand at every map, longer ones at the first of each row.
    this.everywhere = longest <= 22;
    const between = gap + (this.everywhere ? longest + 8 : 0);
    const room = (columns) => (width - 1 - this.title - (columns - 1) * between) / columns;
    const needed = Math.max(190, 2.3 * count);
    this.columns = maps === 1 || room(maps) >= needed ? maps : maps > 1 && (room(2) >= needed || count <= 40) ? 2 : 1;
    const free = Math.min(380, room(this.columns));
    this.cell = free / count >= 4 ? Math.floor(free / count) : free / count;
    this.side = this.cell * count;
    // What whole pixels leave over goes between the maps.
    const next = this.side + between + (this.columns > 1 ? ((free - this.side) * this.columns) / (this.columns - 1) : 0);
    this.step = Math.max(1, Math.ceil(13 / this.cell));
    this.upright = longest > this.step * this.cell - 3;
    this.foot = (this.upright ? longest : 12) + 8;
    const row = 30 + this.side + this.foot + 24;
    this.boxes = Array.from({ length: maps }, (_, i) => ({
      x: this.title + (i % this.columns) * (free < 380 ? next : this.side + between),
      y: 30 + Math.floor(i / this.columns) * row,
      side: this.side,
      isFirst: i % this.columns === 0,
    }));
    this.below = Math.ceil(maps / this.columns) * row;
  }
  // The cell under a point, [row, column], in whichever map; or null.
  at(x, y) {
    const box = this.boxes.find((one) => x >= one.x && y >= one.y && x < one.x + one.side && y < one.y + one.side);
    return box ? [y - box.y, x - box.x].map((way) => Math.floor(way / this.cell)) : null;
  }
  // Titles and names of one map.
  labels(box, heading) {
    const bottom = box.y + box.side;
    const shown = this.classes.map((name, k) => [name, (k + 0.5) * this.cell]).filter((_, k) => k % this.step === 0);
    const named = box.isFirst || this.everywhere;
    return svg("g", { "aria-hidden": "true" },
      svg("text", { x: box.x, y: box.y - 11, class: "dst-heat-title" }, heading),
      svg("rect", { x: box.x - 0.5, y: box.y - 0.5, width: box.side + 1, height: box.side + 1, class: "dst-heat-edge" }),
      named ? shown.map(([name, at]) => svg("text", { x: box.x - 6, y: box.y + at, "text-anchor": "end", "dominant-baseline": "central", class: "dst-tick" }, name)) : null,
      shown.map(([name, at]) => this.upright
        ? svg("text", { transform: `translate(${box.x + at}, ${bottom + 6}) rotate(-90)`, "text-anchor": "end", "dominant-baseline": "central", class: "dst-tick" }, name)
        : svg("text", { x: box.x + at, y: bottom + 16, "text-anchor": "middle", class: "dst-tick" }, name)),
      svg("text", { x: box.x + box.side / 2, y: bottom + this.foot + 12, "text-anchor": "middle", class: "dst-tick" }, "answered class"),
      box.isFirst ? svg("text", { transform: `translate(8, ${box.y + box.side / 2}) rotate(-90)`, "text-anchor": "middle", "dominant-baseline": "central", class: "dst-tick" }, "true class") : null);
  }
}

// The drawing in a figure: all maps, their colour bars, and the frames around one cell in every map.
class HeatMaps {
  // titles: of the maps, texts or nodes; bars: [{colours, title}], one or two
  constructor(id, figure, theme, width, classes, titles, bars) {
    const layout = (this.layout = new HeatLayout(width, titles.length, classes, theme.font));
    this.heats = layout.boxes.map((box) => new Heat(box));
    this.hidden = svg("path", { d: layout.boxes.map(({ x, y, side }) => `M${x},${y}l${side},${side}`).join(""), class: "dst-base" });
    const frame = (kind) => layout.boxes.map(() => this.#square(kind));
    this.frames = { chosen: frame("chosen"), pointed: frame("pointed") };
    const wide = width >= 520;
    const long = Math.min(300, wide ? (width - layout.title - 30) / 2 : width - layout.title - 2);
    const place = (i) => ({ x: layout.title + (wide ? i * (long + 28) : 0), y: layout.below + 18 + (wide ? 0 : i * 58), width: long });
    this.bars = bars.map(({ colours, title }, i) => new ColourBar(`${id}-${i}`, place(i), colours, title, theme));
    figure.size(width, layout.below + 50 + (wide ? 0 : 58 * (bars.length - 1)));
    figure.finish = (copy) => copy.prepend(...this.heats.map((heat) => heat.picture));
    figure.stage.replaceChildren(...this.heats.map((heat) => heat.canvas), figure.chart);
    const labels = layout.boxes.map((box, i) => layout.labels(box, titles[i]));
    figure.chart.replaceChildren(...labels, this.hidden, ...this.bars.map(({ node }) => node), ...this.frames.pointed, ...this.frames.chosen);
  }
  // Ink on paper, so that it is seen on every colour; never smaller than the eye finds.
  #square(kind) {
    const size = Math.max(6, this.layout.cell);
    const shape = { x: -size / 2, y: -size / 2, width: size, height: size };
    const rects = ["halo", "frame"].map((name) => svg("rect", { ...shape, class: `dst-heat-${name}` }));
    return svg("g", { class: `dst-heat-${kind}`, visibility: "hidden", "aria-hidden": "true" }, rects);
  }
  frame(kind, cell) {
    const { cell: size, boxes } = this.layout;
    this.frames[kind].forEach((node, i) => {
      attributes(node, { visibility: cell ? "visible" : "hidden" });
      if (cell) attributes(node, { transform: `translate(${boxes[i].x + (cell[1] + 0.5) * size}, ${boxes[i].y + (cell[0] + 0.5) * size})` });
    });
  }
  strike(isHidden) {
    attributes(this.hidden, { visibility: isHidden ? "visible" : "hidden" });
  }
}

// The pointer and the keys over the maps. first: where the keys begin; moved: at another cell; chosen: at a click or Enter
class HeatCursor {
  cell = null;
  isByKey = false;

  constructor({ stage, chart }, { at, first, count, moved, chosen }) {
    Object.assign(this, { first, count, moved, chosen });
    const under = ({ clientX, clientY }, { left, top } = chart.getBoundingClientRect()) => at(clientX - left, clientY - top);
    const label = "Cells of the maps: arrow keys move, Enter shows the examples behind a cell, Escape closes them";
    attributes(stage, { tabindex: 0, role: "application", "aria-label": label });
    chart.addEventListener("pointermove", (event) => this.#go(under(event), false));
    chart.addEventListener("pointerleave", () => this.#go(null, false));
    chart.addEventListener("click", (event) => under(event) && chosen(under(event)));
    stage.addEventListener("blur", () => this.#go(null, false));
    stage.addEventListener("keydown", (event) => this.#key(event));
  }
  #go(cell, isByKey) {
    if (String(cell) === String(this.cell)) return;
    Object.assign(this, { cell, isByKey });
    this.moved();
  }
  #key(event) {
    const step = STEPS[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const next = (at, i) => Math.min(this.count() - 1, Math.max(0, at + step[i]));
    if (step) this.#go(this.cell?.map(next) ?? this.first(), true);
    else if (event.key === "Enter" && this.cell) this.chosen(this.cell);
    else if (event.key === "Escape") this.chosen(null);
    else return;
    event.preventDefault();
  }
}
