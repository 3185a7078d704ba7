// One point of a plane, on the points of the data. Places are shares of the plane, from its upper left corner, as they are
// for a sketch.

class Spot {
  explained = "Arrow keys move the point, with Shift further; Delete or Escape takes it away.";
  point = null;
  isFull = false;
  stroke = null;

  constructor([left, right, low, high]) {
    Object.assign(this, { left, low, width: right - left, height: high - low });
  }
  get text() {
    // At most four decimals and four digits, so that links stay short.
    return this.point ? this.point.map((value) => String(Number(Number(value.toFixed(4)).toPrecision(4)))).join(",") : "";
  }
  get isEmpty() {
    return this.point === null;
  }
  get name() {
    return this.point ? `(${this.text.split(",").join(", ").replaceAll("-", "−")})` : "";
  }
  adopt(text) {
    const numbers = text.split(",").map((part) => (part.trim() ? Number(part) : NaN));
    this.point = numbers.length === 2 && numbers.every(Number.isFinite) ? numbers : null;
  }
  begin(place) {
    this.extend(place);
  }
  extend([x, y]) {
    const share = (value) => Math.max(0, Math.min(1, value));
    this.point = [this.left + share(x) * this.width, this.low + (1 - share(y)) * this.height];
  }
  end() {}
  clear() {
    this.point = null;
  }
  place([x, y]) {
    return [(x - this.left) / this.width, 1 - (y - this.low) / this.height];
  }
  // The first key shows the point in the middle.
  move(arrow, isFar) {
    const from = this.point ? this.place(this.point) : [0.5, 0.5];
    this.extend(this.point ? from.map((share, axis) => share + ((isFar ? 6 : 1) / CELLS) * arrow[axis]) : from);
  }

  paint(pencil, theme, { width, height, points, labels }) {
    const at = (point) => this.place(point).map((share, axis) => share * [width, height][axis]);
    this.#scale(pencil, theme, at, width, height);
    Object.assign(pencil, { strokeStyle: theme.ink, lineWidth: 0.8, globalAlpha: 0.4 });
    points.forEach((point, i) => {
      pencil.fillStyle = theme.classColour(labels[i]);
      const path = new Path2D(`M${at(point).join()}${marker(labels[i], points.length > 500 ? 2.5 : 3.5)}`);
      pencil.fill(path);
      pencil.stroke(path);
    });
    pencil.globalAlpha = 1;
    if (!this.point) return;
    const [x, y] = at(this.point).map((value) => Math.round(value) + 0.5);
    for (const [colour, thickness] of [[theme.background, 4], [theme.ink, 1.5]]) {
      Object.assign(pencil, { strokeStyle: colour, lineWidth: thickness });
      pencil.stroke(new Path2D(`M0,${y}H${x - 8}M${x + 8},${y}H${width}M${x},0V${y - 8}M${x},${y + 8}V${height}M${x - 8},${y}a8,8 0 1,0 16,0a8,8 0 1,0 -16,0`));
    }
  }
  // Lines at round coordinates, with their numbers inside the plane.
  #scale(pencil, theme, at, width, height) {
    Object.assign(pencil, { strokeStyle: theme.rule, fillStyle: theme.soft, lineWidth: 1, font: `11px ${theme.font}` });
    for (const [axis, low, span] of [[0, this.left, this.width], [1, this.low, this.height]]) {
      const step = roundAxis(span).ticks[1][0];
      for (let tick = Math.ceil(low / step); tick * step < low + span; tick += 1) {
        const value = tick * step;
        const place = Math.round(at(axis ? [this.left, value] : [value, this.low])[axis]) + 0.5;
        pencil.stroke(new Path2D(axis ? `M0,${place}H${width}` : `M${place},0V${height}`));
        const text = String(Number(value.toPrecision(4))).replace("-", "−");
        if (axis && place > 24 && place < height - 22) pencil.fillText(text, 4, place - 4);
        if (!axis && place > 8 && place < width - 28) pencil.fillText(text, place + 4, height - 5);
      }
    }
  }
}
