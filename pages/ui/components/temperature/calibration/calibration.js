// Is a network as often right as it is sure? Reliability at the temperature, and the temperature that fits best.
//
// Payload: bench, bins, best ({role: {temperature}}: the optimum on validation data). Sets no states.

const LOSS_TICKS = [1e-4, 1e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 1000];

class Calibration extends Instrument {
  #curves = new Map();

  constructor(root) {
    super(root, "calibration");
  }
  build() {
    this.reliability = new Figure("reliability", () => this.#binned());
    this.losses = new Figure("temperature-scaling", () => this.#scaled());
    this.plot = new Plot(this.losses.chart);
    this.losses.chart.append((this.values = svg("text", { "aria-hidden": "true" })));
    const section = (title, figure) => html("section", {}, html("h3", {}, title), figure.node);
    this.root.append(section("As often right as sure?", this.reliability), section("The temperature that fits best", this.losses));
  }
  get isReady() {
    return this.bench.isReady && this.bench.roles.length > 0;
  }

  #judge(role, temperature = this.bench.temperature) {
    return judged(this.bench.logits(role), this.bench.labels, this.bench.classes.length, temperature, this.spec.bins ?? 15);
  }
  #curve(role) {
    const { bench } = this;
    const [logits, { labels }, range] = [bench.logits(role, "validation"), bench.splits.validation, bench.temperatures];
    const kept = this.#curves.get(role);
    if (kept?.logits === logits && kept.labels === labels && String(kept.range) === String(range)) return kept;
    return this.#curves.set(role, new LossCurve(logits, labels, bench.classes.length, range)).get(role);
  }
  // A best temperature counts if no point of the curve lies below it: it may have been found at another moment.
  #best(role) {
    const { temperature } = this.spec.best?.[role] ?? {};
    const curve = this.#curve(role);
    if (!temperature || !curve.isWhole) return null;
    if (curve.best?.temperature !== temperature || curve.best.labels !== this.bench.labels) {
      curve.best = { temperature, labels: this.bench.labels, loss: curve.at(temperature), error: this.#judge(role, temperature).total.error };
    }
    return curve.best.loss <= Math.min(...curve.losses) * 1.001 + 1e-9 ? curve.best : null;
  }
  #binned() {
    const { roles, temperature } = this.bench;
    const rows = roles.flatMap((role) => {
      const { bins, total } = this.#judge(role);
      const own = ({ count, confidence, accuracy }) => [count, count ? confidence : "", count ? accuracy : ""];
      const each = bins.map((bin) => [role, temperature, bin.from, bin.to, ...own(bin), ""]);
      return [...each, [role, temperature, "all", "all", ...own(total), total.count ? total.error : ""]];
    });
    return { columns: ["network", "temperature", "bin from", "bin to", "examples", "mean confidence", "accuracy", "calibration error"], rows };
  }
  #scaled() {
    const { roles, temperature } = this.bench;
    const curves = roles.map((role) => this.#curve(role).advance(Infinity));
    const row = (at, what) => [at, ...curves.map((curve) => curve.at(at)), what];
    const optima = roles.filter((role) => this.#best(role)).map((role) => row(this.#best(role).temperature, `best of the ${role}`));
    const grid = curves[0].grid.map((at, i) => [at, ...curves.map(({ losses }) => losses[i]), "curve"]);
    return { columns: ["temperature", ...roles, "what"], rows: [row(temperature, "present"), ...optima, ...grid] };
  }
  paint(theme) {
    const results = this.bench.roles.map((role) => [role, this.#judge(role)]);
    this.#lay(theme);
    results.forEach(([, result], i) => this.diagrams[i].draw(result));
    const until = performance.now() + CURVES;
    const curves = this.bench.roles.map((role) => [role, this.#curve(role).advance(until), this.#curve(role).at(this.bench.temperature)]);
    this.#sayReliability(results);
    this.#paintLosses(theme, curves);
    this.#sayLosses(curves);
    if (curves.some(([, { isWhole }]) => !isWhole)) this.draw();
  }
  // Side by side if every diagram has room, else one below the other.
  #lay(theme) {
    const [{ roles }, { bins = 15 }] = [this.bench, this.spec];
    const shape = JSON.stringify([this.width, roles, bins, theme.dark, theme.font]);
    if (shape === this.shape) return;
    this.shape = shape;
    const columns = this.width / roles.length >= 185 ? roles.length : 1;
    const width = Math.min(440, (this.width - (columns - 1) * 20) / columns);
    const height = Math.round(Math.min(290, 0.78 * width)) + 184;
    const box = (i) => ({ x: (i % columns) * (width + 20), y: Math.floor(i / columns) * height, width, height: height - 14 });
    this.diagrams = roles.map((role, i) => new ReliabilityDiagram(box(i), bins, theme.role(role)));
    this.reliability.size(this.width, Math.ceil(roles.length / columns) * height);
    this.reliability.chart.replaceChildren(...this.diagrams.map(({ node }) => node));
  }
  #paintLosses(theme, curves) {
    const { plot, bench: { temperature, temperatures, classes } } = this;
    const [chance, isWide] = [Math.log(classes.length), this.width >= 560];
    if (!this.axis || curves.every(([, { isWhole }]) => isWhole)) this.axis = lossAxis([...curves.flatMap(([, { losses }]) => losses), chance]);
    const drawn = curves.map(([role]) => `${role} ${this.#best(role) !== null}`).join();
    if (drawn !== this.drawn) [this.drawn, plot.key] = [drawn, null]; // so that no mark stays of what is gone
    this.losses.size(this.width, 350);
    plot.frame({ x: 50, y: 62, width: this.width - 62, height: 240 }, { x: temperatureAxis(temperatures), y: this.axis });
    plot.line("chance", temperatures.map((at) => [at, chance]), { colour: theme.soft, dash: "1,4", width: 1 });
    const alike = isWide ? ` = ${digits(chance)}: every class alike` : "";
    plot.text("uniform", temperatures[1], chance, `ln ${classes.length}${alike}`, { anchor: "end", dy: -10, colour: theme.soft });
    plot.rule("now", temperature);
    const spans = curves.flatMap(([role, curve, now]) => {
      const { colour, dash, width, glyph } = theme.role(role);
      plot.line(role, curve.losses.map((loss, i) => [curve.grid[i], loss]), { colour, dash: dash === "solid" ? "" : dash, width });
      plot.mark(`${role} now`, temperature, now, glyph, colour);
      const { temperature: at, loss } = this.#best(role) ?? {};
      if (at) plot.mark(`${role} best`, at, loss, glyph, colour);
      if (at) plot.text(`${role} label`, at, loss, `best T = ${temperatureText(at)}`, { ...this.#beside(at, loss, curves), colour });
      return [svg("tspan", { fill: colour, dx: 8 }, glyph), svg("tspan", {}, ` ${isWide ? `${role} ` : ""}${digits(now)}`)];
    });
    this.values.replaceChildren(svg("tspan", { x: 0, y: 18 }, `T = ${temperatureText(temperature)}:`), ...spans, " nats");
  }
  // Under its mark, or above where fewer curves cross the words, and inside the plot.
  #beside(temperature, loss, curves) {
    const [x, y] = [this.plot.x(temperature), this.plot.y(loss)];
    const at = curves[0][1].grid.findIndex((point) => point >= temperature);
    const reach = Math.ceil((60 * 40) / this.plot.box.width); // half a label, in points of the curve
    const others = curves.flatMap(([, { losses }]) => [at - reach, at, at + reach].map((i) => this.plot.y(losses[i]) - y));
    const crossed = (side) => others.filter((dy) => dy * side > 7 && dy * side < 28).length + (side > 0 && y > 276 ? others.length : 0);
    return { dy: crossed(1) <= crossed(-1) ? 17 : -17, anchor: x < 96 ? "start" : x > this.width - 56 ? "end" : "middle" };
  }
  #sayReliability(results) {
    const { labels, shown, temperature } = this.bench;
    const own = ([role, { total }]) => total.count
      ? `the ${role} is right in ${percent(total.accuracy)} and ${percent(total.confidence)} sure, ECE ${percent(total.error)}` : `the ${role} gives no finite answers`;
    const all = `At T = ${temperatureText(temperature)}, on ${labels.length} ${shown === "test" ? "test" : "validation"} examples, ${results.map(own).join("; ")}.`;
    const bin = ({ count, confidence, accuracy }) => `${percent(confidence)} sure, ${percent(accuracy)} right, ${count} examples`;
    const each = results.map(([role, { bins }]) => `${role}: ${bins.filter(({ count }) => count).map(bin).join("; ")}`).join(". ");
    this.reliability.describe(`Reliability diagrams. ${all} By bin, ${each}.`,
      `${all} Turning T never changes the top class, so accuracy stays. A mark below the diagonal: more sure than right; pale: few examples.`);
  }
  #sayLosses(curves) {
    const { temperature: T, shown } = this.bench;
    const bests = curves.map(([role]) => [role, this.#best(role)]).filter(([, best]) => best);
    const optima = bests.map(([role, { temperature, loss }]) => `T = ${temperatureText(temperature)} for the ${role} (${digits(loss)} nats)`).join(", ");
    const errors = bests.map(([role, { error }]) => `${role} ${percent(error)}`).join(", ");
    const honest = shown === "test" ? `T is chosen on validation data and judged on test data. ECE there, each at its best T: ${errors}.`
      : "Both figures show validation data: at a T chosen on the same data, the ECE looks better than it is.";
    const caption = bests.length ? `Validation labels are most likely at ${optima}. ${honest}` : "The best temperature is not known for this moment.";
    const now = curves.map(([role, , loss]) => `${role} ${digits(loss)}`).join(", ");
    this.losses.describe(`Negative log-likelihood on validation data over the temperature, in nats. At T = ${temperatureText(T)}: ${now}. ${caption}`, caption);
  }
}

// One network: its accuracy bin by bin, the gap to its confidence, and above, how many examples the bins have.
class ReliabilityDiagram {
  constructor({ x, y, width, height }, bins, { glyph, name, colour }) {
    this.node = svg("g", { "aria-hidden": "true" });
    this.plot = new Plot(this.node);
    this.top = y + 130;
    const axis = (title) => ({ low: 0, high: 1, log: false, ticks: [[0, "0"], [0.5, "0.5"], [1, "1"]], title });
    this.plot.frame({ x: x + 36, y: this.top, width: width - 44, height: height - 170 }, { x: axis("confidence"), y: axis("accuracy") });
    this.plot.line("diagonal", [[0, 0], [1, 1]], { colour: "currentColor", width: 1, dash: "4,3" });
    const line = (dy, style) => svg("text", { x: x + 36, y: y + dy, class: style });
    [this.error, this.facts, this.most] = [line(37, "dst-calibration-error"), line(56, ""), line(77, "dst-tick")];
    const title = fill(line(16, "dst-calibration-title"), {}, [svg("tspan", { fill: colour }, glyph), ` ${name}`]);
    this.node.append(title, this.error, this.facts, this.most);
    this.bins = Array.from({ length: bins }, (_, b) => {
      const [from, to] = [this.plot.x(b / bins) + 0.75, this.plot.x((b + 1) / bins) - 0.75];
      const column = (opacity) => svg("rect", { x: from, width: to - from, fill: colour, "fill-opacity": opacity });
      const mark = svg("text", { "text-anchor": "middle", "dominant-baseline": "central", "font-size": 12, fill: colour }, glyph);
      const nodes = { bar: column(0.34), gap: svg("line", { class: "dst-calibration-gap" }), mark, column: column(0.75) };
      this.node.append(...Object.values(nodes));
      return nodes;
    });
  }
  draw({ bins, total }) {
    const most = Math.max(...bins.map(({ count }) => count));
    write(this.error, `ECE ${total.count ? percent(total.error) : "–"}`);
    write(this.facts, total.count ? `right ${percent(total.accuracy)}, sure ${percent(total.confidence)}` : "no finite answers");
    write(this.most, `up to ${most} examples a bin`);
    bins.forEach(({ count, confidence, accuracy }, b) => {
      const nodes = this.bins[b];
      for (const node of Object.values(nodes)) attributes(node, { visibility: count ? "visible" : "hidden" });
      if (!count) return;
      const [x, y, level] = [this.plot.x(confidence), this.plot.y(accuracy), (26 * count) / most];
      const opacity = 0.4 + 0.6 * Math.sqrt(count / most); // a bin of few examples says little
      attributes(nodes.bar, { y, height: this.plot.y(0) - y, opacity });
      attributes(nodes.gap, { x1: x, x2: x, y1: y, y2: this.plot.y(confidence), opacity });
      attributes(nodes.mark, { x, y, opacity });
      attributes(nodes.column, { y: this.top - 24 - level, height: level });
    });
  }
}

// Accuracy and confidence by bins (from, to] of the top probability, and the expected calibration error: as kd_core.
// The top class is that of the logits, whatever the temperature. Answers that are no numbers belong to no bin.
function judged(logits, labels, count, temperature, number) {
  const bins = Array.from({ length: number }, (_, b) => ({ from: b / number, to: (b + 1) / number, count: 0, confidence: 0, accuracy: 0 }));
  const total = { count: 0, confidence: 0, accuracy: 0, error: 0 };
  labels.forEach((label, i) => {
    const top = topOf(logits, i * count, count);
    const confidence = 1 / (1 + besides(top, logits, i * count, count, temperature));
    if (!Number.isFinite(confidence)) return;
    for (const one of [total, bins[Math.min(number, Math.max(1, Math.ceil(confidence * number))) - 1]]) {
      one.count += 1;
      one.confidence += (confidence - one.confidence) / one.count;
      one.accuracy += (Number(top === label) - one.accuracy) / one.count;
    }
  });
  for (const bin of bins) total.error += (Math.abs(bin.accuracy - bin.confidence) * bin.count) / total.count;
  return { bins, total };
}

// The sum of all probabilities but the top one's, in units of the top one.
function besides(top, logits, start, count, temperature) {
  const highest = logits[start + top] / temperature;
  let sum = 0;
  for (let k = 0; k < count; k += 1) if (k !== top) sum += Math.exp(logits[start + k] / temperature - highest);
  return sum;
}

// Negative log-likelihood over the temperature, computed a few points per frame, once per moment.
class LossCurve {
  losses = [];

  constructor(logits, labels, count, range) {
    Object.assign(this, { logits, labels, count, range, grid: temperatureGrid(range) });
  }
  get isWhole() { return this.losses.length === this.grid.length; }
  // At least one point, then as many as there is time for.
  advance(until) {
    do if (!this.isWhole) this.losses.push(this.at(this.grid[this.losses.length]));
    while (!this.isWhole && performance.now() < until);
    return this;
  }
  // In nats, mean over the examples; log1p, so that a sure answer stays exact.
  at(temperature) {
    const { logits, labels, count } = this;
    let sum = 0;
    labels.forEach((label, i) => {
      const top = topOf(logits, i * count, count);
      const behind = logits[i * count + top] / temperature - logits[i * count + label] / temperature;
      sum += behind + Math.log1p(besides(top, logits, i * count, count, temperature));
    });
    return sum / labels.length;
  }
}

// A logarithmic axis around all losses, with room below for the names of the optima.
function lossAxis(losses) {
  const finite = losses.filter((loss) => Number.isFinite(loss));
  const high = Math.max(...finite) * 1.08;
  const least = Math.max(LOSS_TICKS[0], Math.min(...finite));
  const low = least / (high / least) ** 0.2;
  const ticks = LOSS_TICKS.filter((tick) => tick >= low && tick <= high && (high / low < 500 || Number.isInteger(Math.log10(tick))));
  return { low, high, log: true, ticks: ticks.map((tick) => [tick, String(tick)]), title: "negative log-likelihood, nats (logarithmic)" };
}

export default mounting(Calibration);
