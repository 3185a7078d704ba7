// Drawing as text, with strokes on a grid of 64 × 64 cells, two characters per point (x, then y downwards) and dots
// between strokes. kd_core/analysis/drawing.py reads the same text and draws it with the same pen.

export const GRID = 64;
const PEN_WIDTH = 6; // cells
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const TOLERANCE = 0.6; // cells by which a simplified stroke may differ from the drawn one
export const MAX_LENGTH = 1500; // characters

/** @typedef {number[]} Point */

/** @param {Point[][]} strokes */
export const toText = (strokes) =>
  strokes.map((stroke) => stroke.map(([x, y]) => LETTERS[x] + LETTERS[y]).join("")).join(".");

/**
 * Return the strokes of a text. An invalid text has none; the server reports the error.
 * @param {string} text
 * @returns {Point[][]}
 */
export function fromText(text) {
  if (!/^([\w-]{2})+(\.([\w-]{2})+)*$/.test(text)) return [];
  const point = (/** @type {string} */ pair) => [...pair].map((letter) => LETTERS.indexOf(letter));
  return text.split(".").map((part) => (part.match(/../g) ?? []).map(point));
}

/**
 * @param {Point} point
 * @param {Point} start
 * @param {Point} end
 */
function distanceToSegment([x, y], [ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay];
  const along = dx || dy ? Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy))) : 0;
  return Math.hypot(x - ax - along * dx, y - ay - along * dy);
}

/**
 * Return a subset of the points whose line stays within TOLERANCE of all of them (Ramer–Douglas–Peucker).
 * @param {Point[]} points
 * @returns {Point[]}
 */
export function simplify(points) {
  if (points.length < 3) return points;
  const [first, last] = [points[0], points[points.length - 1]];
  let farthest = 0;
  let distance = TOLERANCE;
  for (let i = 1; i < points.length - 1; i += 1) {
    const candidate = distanceToSegment(points[i], first, last);
    if (candidate > distance) [farthest, distance] = [i, candidate];
  }
  if (farthest === 0) return [first, last];
  return [...simplify(points.slice(0, farthest + 1)).slice(0, -1), ...simplify(points.slice(farthest))];
}

/** All strokes of a drawing, and the pen. Positions are fractions of the pad, from its upper left corner. */
export class Strokes {
  instructions =
    "Arrow keys move the pen, with Shift further; Space puts it down or lifts it; " +
    "Backspace removes the last stroke; Delete or Escape clears.";
  name = "";
  /** @type {Point[][]} */
  strokes = [];
  /** @type {Point} */
  pen = [GRID / 2, GRID / 2];
  /** The stroke being drawn, which is also the last of the strokes. @type {Point[] | null} */
  stroke = null;
  isFull = false;

  get text() {
    return toText(this.strokes.map((stroke) => (stroke === this.stroke ? simplify(stroke) : stroke)));
  }
  get isEmpty() {
    return this.strokes.length === 0;
  }
  /** @param {string} text */
  load(text) {
    Object.assign(this, { strokes: fromText(text), stroke: null, isFull: false });
  }

  /** @param {number[]} place */
  begin(place) {
    this.pen = cellAt(place);
    this.isFull = toText(this.strokes).length + 3 > MAX_LENGTH;
    if (this.isFull) return;
    this.stroke = [this.pen];
    this.strokes.push(this.stroke);
  }
  /** @param {number[]} place */
  extend(place) {
    this.#extendTo(cellAt(place));
  }
  /**
   * Add a point. At MAX_LENGTH the stroke is simplified first; if that is not enough, the point is dropped.
   * @param {Point} point
   */
  #extendTo(point) {
    if (!this.stroke || (point[0] === this.pen[0] && point[1] === this.pen[1])) return;
    if (toText(this.strokes).length + 2 > MAX_LENGTH) this.stroke.splice(0, Infinity, ...simplify(this.stroke));
    this.isFull = toText(this.strokes).length + 2 > MAX_LENGTH;
    if (this.isFull) return;
    this.pen = point;
    this.stroke.push(point);
  }
  end() {
    this.stroke?.splice(0, Infinity, ...simplify(this.stroke));
    this.stroke = null;
  }
  undo() {
    this.strokes.pop();
    Object.assign(this, { stroke: null, isFull: false });
  }
  clear() {
    Object.assign(this, { strokes: [], stroke: null, isFull: false });
  }

  // --- keyboard -----------------------------------------------------------------------------------------------------

  /**
   * @param {number[]} arrow
   * @param {boolean} isFar
   */
  move(arrow, isFar) {
    const step = isFar ? 6 : 2;
    const point = this.pen.map((cell, axis) => Math.max(0, Math.min(GRID - 1, cell + step * arrow[axis])));
    if (this.stroke) this.#extendTo(point);
    else this.pen = point;
  }
  /** Put the pen down or lift it; return the text for screen readers. */
  togglePen() {
    if (this.stroke) this.end();
    else this.begin(this.pen.map((cell) => (cell + 0.5) / GRID));
    if (this.stroke) return "pen down";
    return this.isFull ? "" : "pen up";
  }

  // --- drawing ------------------------------------------------------------------------------------------------------

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {import("../../shared/theme.js").Theme} theme
   * @param {{width: number, height: number, cursor: boolean}} view
   */
  paint(context, theme, { width, height, cursor }) {
    const zoom = width / GRID;
    /** @returns {[number, number]} */
    const at = (/** @type {Point} */ [x, y]) => [(x + 0.5) * zoom, (y + 0.5) * zoom];
    const pen = { lineWidth: PEN_WIDTH * zoom, lineCap: "round", lineJoin: "round" };
    Object.assign(context, { strokeStyle: theme.text, fillStyle: theme.text, ...pen });
    for (const stroke of this.strokes) {
      context.beginPath();
      stroke.forEach((point, i) => {
        context[i ? "lineTo" : "moveTo"](...at(point));
      });
      // Some browsers do not draw a line of length 0.
      if (stroke.length === 1) context.arc(...at(stroke[0]), 0.01, 0, 7);
      context.stroke();
    }
    if (this.isEmpty && !cursor) {
      const text = { font: `15px ${theme.font}`, textAlign: "center", textBaseline: "middle" };
      Object.assign(context, { fillStyle: theme.muted, ...text });
      context.fillText("Draw here", width / 2, height / 2);
    }
    if (cursor) this.#paintCursor(context, theme, at(this.pen), zoom);
  }
  /**
   * Draw the pen of the keyboard as a ring, filled while it is down, outlined to be visible on strokes and background.
   * @param {CanvasRenderingContext2D} context
   * @param {import("../../shared/theme.js").Theme} theme
   * @param {[number, number]} place
   * @param {number} zoom
   */
  #paintCursor(context, theme, place, zoom) {
    for (const [colour, thickness] of /** @type {[string, number][]} */ ([
      [theme.background, 5],
      [theme.role("student").colour, 2.5],
    ])) {
      Object.assign(context, { strokeStyle: colour, fillStyle: colour, lineWidth: thickness });
      context.beginPath();
      context.arc(...place, (PEN_WIDTH / 2) * zoom, 0, 7);
      context.stroke();
      if (!this.stroke) continue;
      context.beginPath();
      context.arc(...place, thickness + 1, 0, 7);
      context.fill();
    }
  }
}

/**
 * Return the cell at a position.
 * @param {number[]} place
 */
const cellAt = (place) => place.map((fraction) => Math.max(0, Math.min(GRID - 1, Math.floor(fraction * GRID))));
