// What is drawn over a plot and moves without redrawing it: markers, reference levels, the moment and the reading line.

class Overlay {
  constructor() {
    this.node = svg("svg", { class: "dst-overlay", "aria-hidden": "true" });
    this.fixed = svg("g");
    this.cursor = svg("line", { class: "dst-cursor", visibility: "hidden" });
    this.hairline = svg("line", { class: "dst-hairline", visibility: "hidden" });
    this.node.append(this.fixed, this.cursor, this.hairline);
  }

  // frame: {left, right, top, bottom, x(value), y(value)} in pixels of the plot
  draw(frame, markers, levels) {
    this.frame = frame;
    this.fixed.replaceChildren();
    for (const level of levels) this.#level(level);
    this.#markers(markers);
  }

  #level({ y, text, colour, dash }) {
    const { left, right, top, bottom } = this.frame;
    const at = this.frame.y(y);
    if (!(at >= top - 1 && at <= bottom + 1)) return;
    this.fixed.append(
      svg("line", { x1: left, x2: right, y1: at, y2: at, stroke: colour, "stroke-width": 1, "stroke-dasharray": dash, opacity: 0.75 }),
      svg("text", { x: left + 6, y: at < top + 18 ? at + 15 : at - 6 }, text),
    );
  }

  // Labels that would touch go to the next row; with no row left, the line stays and its words are in the table.
  #markers(markers) {
    const { left, right, top, bottom } = this.frame;
    const ends = [-Infinity, -Infinity];
    for (const { marker, text, kind } of [...markers].sort((a, b) => a.marker - b.marker)) {
      const at = this.frame.x(marker);
      if (at < left - 1 || at > right + 1) continue;
      this.fixed.append(svg("line", { class: `dst-marker dst-marker-${kind}`, x1: at, x2: at, y1: top - 6, y2: bottom }));
      const label = svg("text", { class: "dst-marker-text" }, text);
      this.fixed.append(label);
      const width = label.getComputedTextLength();
      const start = Math.max(left, Math.min(at - 2, right - width));
      const row = ends.findIndex((end) => start > end + 8);
      if (row < 0) label.remove();
      else {
        attributes(label, { x: start, y: top - 10 - 14 * row });
        ends[row] = start + width;
      }
    }
  }

  #place(line, x) {
    const { left, right, top, bottom } = this.frame ?? {};
    const at = x === null || !this.frame ? NaN : this.frame.x(x);
    const inside = at >= left - 1 && at <= right + 1;
    attributes(line, { visibility: inside ? "visible" : "hidden" });
    if (inside) attributes(line, { x1: at, x2: at, y1: top, y2: bottom });
    return inside ? at : null;
  }
  moment(x) {
    this.#place(this.cursor, x);
  }
  read(x) {
    return this.#place(this.hairline, x);
  }
}

// Moves labels apart by the least amount: from the top down, then back up where the bottom was passed.
function spread(wanted, gap, top, bottom) {
  const order = wanted.map((y, i) => [y, i]).sort((a, b) => a[0] - b[0]);
  let free = top;
  for (const item of order) {
    item[0] = Math.max(item[0], free);
    free = item[0] + gap;
  }
  free = bottom;
  for (const item of order.reverse()) {
    item[0] = Math.min(item[0], free);
    free = item[0] - gap;
  }
  const placed = [];
  for (const [y, i] of order) placed[i] = y;
  return placed;
}
