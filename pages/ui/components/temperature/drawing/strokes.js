// A drawing as text: strokes on a grid of 64 × 64 cells, two characters per point (x, then y downwards), dots between
// strokes. kd_core/drawing.py reads the same text and draws it with the same pen.

const CELLS = 64;
const PEN = 6; // cells
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const SLACK = 0.6; // cells by which a simplified stroke may differ from the drawn one
const LONGEST = 1500; // characters

const toText = (strokes) => strokes.map((stroke) => stroke.map(([x, y]) => LETTERS[x] + LETTERS[y]).join("")).join(".");

// What is no drawing is none: the server says what is wrong with it.
function fromText(text) {
  if (!/^([\w-]{2})+(\.([\w-]{2})+)*$/.test(text)) return [];
  const point = (pair) => [...pair].map((letter) => LETTERS.indexOf(letter));
  return text.split(".").map((part) => part.match(/../g).map(point));
}

// How far a point lies from the piece of line between two others.
function away([x, y], [ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay];
  const along = dx || dy ? Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy))) : 0;
  return Math.hypot(x - ax - along * dx, y - ay - along * dy);
}

// Ramer–Douglas–Peucker: the fewest of the points that stay within SLACK of all of them.
function simplified(points) {
  if (points.length < 3) return points;
  const [first, last] = [points[0], points.at(-1)];
  let farthest = 0;
  let distance = SLACK;
  for (let i = 1; i < points.length - 1; i += 1) {
    const here = away(points[i], first, last);
    if (here > distance) [farthest, distance] = [i, here];
  }
  if (farthest === 0) return [first, last];
  return [...simplified(points.slice(0, farthest + 1)).slice(0, -1), ...simplified(points.slice(farthest))];
}

// Everything that is drawn, and the pen. Places are shares of the pad, from its upper left corner.
class Sketch {
  explained = "Arrow keys move the pen, with Shift further; Space puts it down or lifts it; Backspace takes the last stroke back; Delete or Escape clears.";
  strokes = [];
  pen = [CELLS / 2, CELLS / 2];
  stroke = null; // the one being drawn, also the last of the strokes
  isFull = false;

  get text() {
    return toText(this.strokes.map((stroke) => (stroke === this.stroke ? simplified(stroke) : stroke)));
  }
  get isEmpty() {
    return this.strokes.length === 0;
  }
  adopt(text) {
    Object.assign(this, { strokes: fromText(text), stroke: null, isFull: false });
  }

  begin(place) {
    this.pen = this.#cell(place);
    this.isFull = toText(this.strokes).length + 3 > LONGEST;
    if (!this.isFull) this.strokes.push((this.stroke = [this.pen]));
  }
  extend(place) {
    this.#reach(this.#cell(place));
  }
  // Without room for another point the stroke is simplified first; it grows no further where that does not help.
  #reach(to) {
    if (!this.stroke || (to[0] === this.pen[0] && to[1] === this.pen[1])) return;
    if (toText(this.strokes).length + 2 > LONGEST) this.stroke.splice(0, Infinity, ...simplified(this.stroke));
    this.isFull = toText(this.strokes).length + 2 > LONGEST;
    if (this.isFull) return;
    this.pen = to;
    this.stroke.push(to);
  }
  end() {
    this.stroke?.splice(0, Infinity, ...simplified(this.stroke));
    this.stroke = null;
  }
  undo() {
    this.strokes.pop();
    Object.assign(this, { stroke: null, isFull: false });
  }
  clear() {
    Object.assign(this, { strokes: [], stroke: null, isFull: false });
  }
  #cell(place) {
    return place.map((share) => Math.max(0, Math.min(CELLS - 1, Math.floor(share * CELLS))));
  }

  // --- keyboard -----------------------------------------------------------------------------------------------------

  move(arrow, isFar) {
    const to = this.pen.map((cell, axis) => Math.max(0, Math.min(CELLS - 1, cell + (isFar ? 6 : 2) * arrow[axis])));
    if (this.stroke) this.#reach(to);
    else this.pen = to;
  }
  // Space: returns what to say of it.
  turn() {
    if (this.stroke) this.end();
    else this.begin(this.pen.map((cell) => (cell + 0.5) / CELLS));
    return this.stroke ? "pen down" : this.isFull ? "" : "pen up";
  }

  // --- drawing ------------------------------------------------------------------------------------------------------

  paint(pencil, theme, { width, height, cursor }) {
    const zoom = width / CELLS;
    const at = ([x, y]) => [(x + 0.5) * zoom, (y + 0.5) * zoom];
    Object.assign(pencil, { strokeStyle: theme.ink, fillStyle: theme.ink, lineWidth: PEN * zoom, lineCap: "round", lineJoin: "round" });
    for (const stroke of this.strokes) {
      pencil.beginPath();
      stroke.forEach((point, i) => pencil[i ? "lineTo" : "moveTo"](...at(point)));
      // A line without length would not be drawn everywhere.
      if (stroke.length === 1) pencil.arc(...at(stroke[0]), 0.01, 0, 7);
      pencil.stroke();
    }
    if (this.isEmpty && !cursor) {
      Object.assign(pencil, { fillStyle: theme.soft, font: `15px ${theme.font}`, textAlign: "center", textBaseline: "middle" });
      pencil.fillText("Draw here", width / 2, height / 2);
    }
    if (cursor) this.#cursor(pencil, theme, at(this.pen), zoom);
  }
  // Where the pen of the keyboard is: a ring, with a dot in it while the pen is down; edged, to be seen on ink and paper.
  #cursor(pencil, theme, place, zoom) {
    for (const [colour, thickness] of [[theme.background, 5], [theme.role("student").colour, 2.5]]) {
      Object.assign(pencil, { strokeStyle: colour, fillStyle: colour, lineWidth: thickness });
      pencil.beginPath();
      pencil.arc(...place, (PEN / 2) * zoom, 0, 7);
      pencil.stroke();
      if (!this.stroke) continue;
      pencil.beginPath();
      pencil.arc(...place, thickness + 1, 0, 7);
      pencil.fill();
    }
  }
}
