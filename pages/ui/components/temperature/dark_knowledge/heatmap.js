// Heat maps on canvases with one pixel per cell, enlarged by the browser; frames, names and colour bars are SVG.

import { context2d, html, pointerPosition, setAttributes, setText, svg } from "../../shared/dom.js";
import { shorten, textWidth } from "../../shared/text.js";

/** @typedef {import("../../shared/theme.js").Theme} Theme */
/** @typedef {import("../shared/figure.js").Figure} Figure */
/** @typedef {import("./heat_scale.js").ColourRamp} ColourRamp */
/** @typedef {{x: number, y: number, side: number, isFirst: boolean}} Box */
/** @typedef {number[]} Cell row and column */

/** @type {Record<string, number[]>} */
const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

class HeatmapCanvas {
  /** @type {ImageData | null} */
  #pixels = null;

  /** @param {Box} box */
  constructor(box) {
    this.box = box;
    const style = `left: ${box.x}px; top: ${box.y}px; width: ${box.side}px; height: ${box.side}px`;
    this.canvas = html("canvas", { class: "dst-heat", "aria-hidden": "true", style });
    this.context = context2d(this.canvas);
  }

  /**
   * @param {ArrayLike<number>} values (count × count), row by row
   * @param {number} count
   * @param {(value: number) => number} scale
   * @param {Uint32Array} colours
   * @param {boolean} withDiagonal
   */
  draw(values, count, scale, colours, withDiagonal) {
    if (this.#pixels?.width !== count) {
      setAttributes(this.canvas, { width: count, height: count });
      this.#pixels = this.context.createImageData(count, count);
    }
    const cells = new Uint32Array(this.#pixels.data.buffer);
    for (let at = 0; at < values.length; at += 1) {
      const place = !withDiagonal && at % (count + 1) === 0 ? Number.NaN : scale(values[at]);
      cells[at] = Number.isNaN(place) ? 0 : colours[Math.min(255, Math.max(0, Math.round(255 * place)))];
    }
    this.context.putImageData(this.#pixels, 0, 0);
  }

  /** The map as an enlarged SVG image for export, since some programs ignore image-rendering. */
  get image() {
    const { x, y, side } = this.box;
    const zoom = Math.max(1, Math.ceil((2 * side) / this.canvas.width));
    const large = html("canvas", { width: zoom * this.canvas.width, height: zoom * this.canvas.height });
    const context = context2d(large);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.canvas, 0, 0, large.width, large.height);
    const style = { preserveAspectRatio: "none", style: "image-rendering: pixelated" };
    return svg("image", { x, y, width: side, height: side, ...style, href: large.toDataURL() });
  }
}

/** Horizontal colour bar with numbers at both ends and in the middle. */
class ColourBar {
  /**
   * @param {string} id
   * @param {{x: number, y: number, width: number}} box
   * @param {ColourRamp} ramp
   * @param {string} title
   * @param {Theme} theme
   */
  constructor(id, { x, y, width }, { stops }, title, theme) {
    const stop = (/** @type {string} */ colour, /** @type {number} */ i) =>
      svg("stop", { offset: i / (stops.length - 1), style: `stop-color: ${colour}` });
    const tick = (/** @type {number} */ place, /** @type {string} */ anchor) =>
      svg("text", { x: place, y: y + 26, "text-anchor": anchor, class: "dst-tick" });
    this.ticks = [tick(x, "start"), tick(x + width / 2, "middle"), tick(x + width, "end")];
    const bar = { x: x + 0.5, y: y + 0.5, width: width - 1, height: 10, fill: `url(#${id})`, stroke: theme.rule };
    this.node = svg(
      "g",
      { "aria-hidden": "true" },
      svg("defs", {}, svg("linearGradient", { id }, stops.map(stop))),
      svg("text", { x, y: y - 6, class: "dst-tick" }, title),
      svg("rect", bar),
      this.ticks,
    );
  }
  /** @param {string[]} texts */
  setTicks(texts) {
    texts.forEach((text, i) => {
      setText(this.ticks[i], text);
    });
  }
}

/** Positions of maps, names and titles. All maps are in one row if there is room, else two, else one. */
class HeatmapLayout {
  /**
   * @param {number} width
   * @param {number} maps their number
   * @param {string[]} classes
   * @param {string} family font family
   */
  constructor(width, maps, classes, family) {
    const count = classes.length;
    const nameWidth = (/** @type {string} */ name) => textWidth(name, `12px ${family}`);
    const longest = Math.min(Math.max(...classes.map(nameWidth)), width < 520 ? 52 : 84);
    this.classes = classes.map((name) => shorten(name, (text) => nameWidth(text) <= longest + 1));
    this.left = 18 + longest + 8;
    const gap = width < 520 ? 14 : 22;
    // Short names are repeated beside every map, longer ones are written beside the first map of each row.
    this.labelsEverywhere = longest <= 22;
    const between = gap + (this.labelsEverywhere ? longest + 8 : 0);
    const available = (/** @type {number} */ columns) => (width - 1 - this.left - (columns - 1) * between) / columns;
    const needed = Math.max(190, 2.3 * count);
    const two = maps > 1 && (available(2) >= needed || count <= 40) ? 2 : 1;
    const columns = maps === 1 || available(maps) >= needed ? maps : two;
    const free = Math.min(380, available(columns));
    this.cell = free / count >= 4 ? Math.floor(free / count) : free / count;
    this.side = this.cell * count;
    // Remaining pixels widen the gaps between the maps.
    const spare = columns > 1 ? ((free - this.side) * columns) / (columns - 1) : 0;
    this.step = Math.max(1, Math.ceil(13 / this.cell)); // one of so many classes is named
    this.isUpright = longest > this.step * this.cell - 3;
    this.foot = (this.isUpright ? longest : 12) + 8;
    const row = 30 + this.side + this.foot + 24;
    const pitch = this.side + between + (free < 380 ? spare : 0);
    this.boxes = Array.from({ length: maps }, (_, i) => ({
      x: this.left + (i % columns) * pitch,
      y: 30 + Math.floor(i / columns) * row,
      side: this.side,
      isFirst: i % columns === 0,
    }));
    this.bottom = Math.ceil(maps / columns) * row;
  }

  /**
   * Return the cell at a point of any map, or null.
   * @param {number} x
   * @param {number} y
   */
  at(x, y) {
    const isInside = (/** @type {Box} */ box) =>
      x >= box.x && y >= box.y && x < box.x + box.side && y < box.y + box.side;
    const box = this.boxes.find(isInside);
    return box ? [y - box.y, x - box.x].map((distance) => Math.floor(distance / this.cell)) : null;
  }

  /**
   * Return the title and the names of one map.
   * @param {Box} box
   * @param {string | Node[] | (string | Node)[]} heading
   */
  labels(box, heading) {
    const bottom = box.y + box.side;
    const labelled = this.classes
      .map((name, k) => ({ name, at: (k + 0.5) * this.cell }))
      .filter((_, k) => k % this.step === 0);
    const end = { "text-anchor": "end", "dominant-baseline": "central", class: "dst-tick" };
    const middle = { "text-anchor": "middle", class: "dst-tick" };
    const upright = (/** @type {number} */ x, /** @type {number} */ y) => ({
      transform: `translate(${x}, ${y}) rotate(-90)`,
    });
    const edge = { x: box.x - 0.5, y: box.y - 0.5, width: box.side + 1, height: box.side + 1, class: "dst-heat-edge" };
    const rowNames = labelled.map(({ name, at }) => svg("text", { x: box.x - 6, y: box.y + at, ...end }, name));
    const columnNames = labelled.map(({ name, at }) =>
      this.isUpright
        ? svg("text", { ...upright(box.x + at, bottom + 6), ...end }, name)
        : svg("text", { x: box.x + at, y: bottom + 16, ...middle }, name),
    );
    const yTitle = { ...upright(8, box.y + box.side / 2), "dominant-baseline": "central", ...middle };
    return svg(
      "g",
      { "aria-hidden": "true" },
      svg("text", { x: box.x, y: box.y - 11, class: "dst-heat-title" }, heading),
      svg("rect", edge),
      box.isFirst || this.labelsEverywhere ? rowNames : null,
      columnNames,
      svg("text", { x: box.x + box.side / 2, y: bottom + this.foot + 12, ...middle }, "predicted class"),
      box.isFirst ? svg("text", yTitle, "true class") : null,
    );
  }
}

/** All heat maps of a figure with their colour bars and the frames around one cell in every map. */
export class HeatmapGrid {
  /**
   * @param {string} id
   * @param {Figure} figure
   * @param {Theme} theme
   * @param {number} width
   * @param {string[]} classes
   * @param {(string | (string | Node)[])[]} titles of the maps
   * @param {{ramp: ColourRamp, title: string}[]} bars one or two
   */
  constructor(id, figure, theme, width, classes, titles, bars) {
    const layout = new HeatmapLayout(width, titles.length, classes, theme.font);
    this.layout = layout;
    this.maps = layout.boxes.map((box) => new HeatmapCanvas(box));
    const diagonals = layout.boxes.map(({ x, y, side }) => `M${x},${y}l${side},${side}`).join("");
    this.diagonals = svg("path", { d: diagonals, class: "dst-axis-line" });
    const frames = (/** @type {string} */ kind) => layout.boxes.map(() => this.#frame(kind));
    this.frames = { chosen: frames("chosen"), pointed: frames("pointed") };
    const isWide = width >= 520;
    const length = Math.min(300, isWide ? (width - layout.left - 30) / 2 : width - layout.left - 2);
    const place = (/** @type {number} */ i) => ({
      x: layout.left + (isWide ? i * (length + 28) : 0),
      y: layout.bottom + 18 + (isWide ? 0 : i * 58),
      width: length,
    });
    this.bars = bars.map(({ ramp, title }, i) => new ColourBar(`${id}-${i}`, place(i), ramp, title, theme));
    figure.size(width, layout.bottom + 50 + (isWide ? 0 : 58 * (bars.length - 1)));
    figure.afterClone = (copy) => copy.prepend(...this.maps.map((map) => map.image));
    figure.viewport.replaceChildren(...this.maps.map((map) => map.canvas), figure.chart);
    const labels = layout.boxes.map((box, i) => layout.labels(box, titles[i]));
    const barNodes = this.bars.map(({ node }) => node);
    figure.chart.replaceChildren(...labels, this.diagonals, ...barNodes, ...this.frames.pointed, ...this.frames.chosen);
  }

  /**
   * Return the frame of a cell, at least 6 pixels wide and with a light outline, to be visible on every colour.
   * @param {string} kind
   */
  #frame(kind) {
    const size = Math.max(6, this.layout.cell);
    const shape = { x: -size / 2, y: -size / 2, width: size, height: size };
    const rects = ["halo", "frame"].map((name) => svg("rect", { ...shape, class: `dst-heat-${name}` }));
    return svg("g", { class: `dst-heat-${kind}`, visibility: "hidden", "aria-hidden": "true" }, rects);
  }
  /**
   * Move the frames of one kind to a cell, or hide them.
   * @param {"chosen" | "pointed"} kind
   * @param {Cell | null} cell
   */
  moveFrame(kind, cell) {
    const { cell: size, boxes } = this.layout;
    this.frames[kind].forEach((node, i) => {
      setAttributes(node, { visibility: cell ? "visible" : "hidden" });
      if (!cell) return;
      const [y, x] = [boxes[i].y + (cell[0] + 0.5) * size, boxes[i].x + (cell[1] + 0.5) * size];
      setAttributes(node, { transform: `translate(${x}, ${y})` });
    });
  }
  /** @param {boolean} isHidden */
  setDiagonalHidden(isHidden) {
    setAttributes(this.diagonals, { visibility: isHidden ? "visible" : "hidden" });
  }
}

/** Cell under the pointer, or reached by the arrow keys. */
export class HeatmapCursor {
  /** @type {Cell | null} */
  cell = null;
  isByKey = false;

  /**
   * @param {Figure} figure
   * @param {{
   *   at: (x: number, y: number) => Cell | null,
   *   first: () => Cell,
   *   count: () => number,
   *   onMove: () => void,
   *   onChoose: (cell: Cell | null) => void,
   * }} options first: where the arrow keys start; onChoose: at a click, Enter or Escape
   */
  constructor({ viewport, chart }, { at, first, count, onMove, onChoose }) {
    this.first = first;
    this.count = count;
    this.onMove = onMove;
    this.onChoose = onChoose;
    const cellUnder = (/** @type {MouseEvent} */ event) => {
      const [x, y] = pointerPosition(chart, event);
      return at(x, y);
    };
    const label = "Cells of the maps: arrow keys move, Enter shows the examples of a cell, Escape closes them";
    setAttributes(viewport, { tabindex: 0, role: "application", "aria-label": label });
    chart.addEventListener("pointermove", (event) => this.#moveTo(cellUnder(event), false));
    chart.addEventListener("pointerleave", () => this.#moveTo(null, false));
    chart.addEventListener("click", (event) => {
      const cell = cellUnder(event);
      if (cell) onChoose(cell);
    });
    viewport.addEventListener("blur", () => this.#moveTo(null, false));
    viewport.addEventListener("keydown", (event) => this.#onKey(event));
  }
  /**
   * @param {Cell | null} cell
   * @param {boolean} isByKey
   */
  #moveTo(cell, isByKey) {
    if (String(cell) === String(this.cell)) return;
    this.cell = cell;
    this.isByKey = isByKey;
    this.onMove();
  }
  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const step = STEPS[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const next = (/** @type {number} */ place, /** @type {number} */ i) =>
      Math.min(this.count() - 1, Math.max(0, place + step[i]));
    if (step) this.#moveTo(this.cell?.map(next) ?? this.first(), true);
    else if (event.key === "Enter" && this.cell) this.onChoose(this.cell);
    else if (event.key === "Escape") this.onChoose(null);
    else return;
    event.preventDefault();
  }
}
