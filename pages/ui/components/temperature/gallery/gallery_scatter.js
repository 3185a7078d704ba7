// The points of a plane to choose from: the filtered ones strong, the others faint. What lies over the drawing takes
// clicks and keys.

class Scatter {
  constructor(pick, press, numbers) {
    this.figure = new Figure("examples", numbers);
    this.plot = new Plot(this.figure.chart);
    this.marks = svg("g");
    this.ring = svg("circle", { r: 9, class: "dst-ring" });
    this.figure.chart.append(this.marks, this.ring);
    this.stepper = html("div", { class: "dst-stepper", role: "slider", tabindex: 0, "aria-label": "Chosen point", "aria-valuemin": 1, onkeydown: press });
    this.stepper.addEventListener("click", ({ offsetX, offsetY }) => {
      const away = this.list.map((i) => Math.hypot(this.plot.x(this.points[i][0]) - offsetX, this.plot.y(this.points[i][1]) - offsetY));
      pick(away.indexOf(Math.min(...away)));
    });
    this.figure.stage.append(this.stepper);
    this.legend = html("p", { class: "dst-soft dst-key" });
    this.figure.stage.after(this.legend);
  }

  lay({ points, labels, classes }, list, theme, room) {
    Object.assign(this, { points, list });
    const [x, y] = [planeAxis(points, 0, "x"), planeAxis(points, 1, "y")];
    const width = Math.min(room, 560) - 56;
    const height = Math.round(width * Math.max(0.5, Math.min(1, (y.high - y.low) / (x.high - x.low))));
    this.figure.size(width + 56, height + 66);
    this.plot.frame({ x: 44, y: 26, width, height }, { x, y });
    attributes(this.stepper, { style: `width: ${width + 56}px; height: ${height + 66}px`, "aria-valuemax": Math.max(1, list.length) });
    const strong = new Set(list);
    const radius = points.length > 500 ? 2.8 : 4;
    // One path for all points of a class, first the faint ones.
    this.marks.replaceChildren(...["dst-point dst-faint", "dst-point"].flatMap((name, isStrong) => classes.map((_, k) => {
      const mine = points.filter((_, i) => labels[i] === k && strong.has(i) === Boolean(isStrong));
      const d = mine.map(([x, y]) => `M${this.plot.x(x).toFixed(1)},${this.plot.y(y).toFixed(1)}${marker(k, radius)}`).join("");
      return svg("path", { d, fill: theme.classColour(k), class: name });
    })));
    const glyph = (k) => html("i", { style: `color: ${theme.classColour(k)}` }, PALETTE.classGlyphs[k % PALETTE.classGlyphs.length]);
    // A ninth class has no colour of its own: its name is said with the chosen point.
    this.legend.replaceChildren(...(classes.length > PALETTE.classes.light.length ? [] : classes).map((name, k) => html("span", {}, glyph(k), name)));
  }
  mark(index, at, spoken, isChosen) {
    const [x, y] = this.points[index];
    attributes(this.ring, { cx: this.plot.x(x), cy: this.plot.y(y), visibility: isChosen ? "visible" : "hidden" });
    attributes(this.stepper, { "aria-valuenow": at + 1, "aria-valuetext": spoken });
  }
}
function planeAxis(points, at, title) {
  const values = points.map((point) => point[at]);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const spare = 0.06 * (high - low) || 1;
  const step = roundAxis(high - low).ticks[1][0];
  const ticks = Array.from({ length: 9 }, (_, i) => Number(((Math.ceil(low / step) + i) * step).toPrecision(4))).filter((tick) => tick <= high);
  return { low: low - spare, high: high + spare, log: false, ticks: ticks.map((tick) => [tick, String(tick).replace("-", "−")]), title };
}
