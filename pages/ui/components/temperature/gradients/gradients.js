// Why T²: how long the teacher's gradient is with and without the factor, and how much of the whole it makes up.
//
// Payload: bench, alpha (0 … 1), split (a name in bench.splits). Sets the state alpha when its slider is let go.
// Every length is that of one example's gradient with respect to the student's logits; means are over the split.

const SIGNALS = [
  { id: "labels", role: "labels", glyph: "✕", words: ["Labels"] },
  { id: "with", role: "teacher", glyph: "■", words: ["Teacher", "with T²"] },
  { id: "without", role: "teacher", glyph: "□", words: ["Teacher", "without T²"], look: { dash: "3px,3px", width: 1.25 } },
];
const LOWEST = 1e-6; // the axis goes no lower: what is smaller lies at its foot

// The teacher's share of all the gradient there is; null where there is none at all.
function share(alpha, signals, name) {
  const teacher = alpha * signals[name];
  const all = teacher + (1 - alpha) * signals.labels;
  return all > 0 ? teacher / all : null;
}
// Rounding must not turn nearly all into all, nor nearly nothing into nothing.
function portion(part) {
  if (part === 0) return "0 %";
  if (part < 5e-4) return "under 0.1 %";
  return part < 1 && part >= 0.9995 ? "over 99.9 %" : percent(part);
}

class Gradients extends Instrument {
  alpha = 0;
  #kept = new WeakMap();

  constructor(root) {
    super(root, "gradients");
  }

  build() {
    this.lengthFigure = new Figure("gradient-lengths", () => this.#lengthNumbers());
    this.shareFigure = new Figure("gradient-shares", () => this.#shareNumbers());
    this.lengthPlot = new Plot(this.lengthFigure.chart);
    this.sharePlot = new Plot(this.shareFigure.chart);
    this.about = html("p", { class: "dst-soft" });
    this.slider = html("input", { type: "range", min: 0, max: 1, step: 0.01, "aria-label": "Alpha, the weight of the teacher in the loss" });
    this.slider.addEventListener("input", () => this.#weigh());
    this.slider.addEventListener("change", () => this.tell("alpha", this.alpha));
    for (const end of ["change", "pointerup", "pointercancel", "blur"]) this.slider.addEventListener(end, () => (this.held = false));
    this.value = html("b", {});
    const ends = html("div", { class: "dst-ends", "aria-hidden": "true" }, html("span", {}, "labels only"), html("span", {}, "teacher only"));
    this.nothing = html("p", { class: "dst-empty", hidden: true });
    this.all = html("div", { class: "dst-pair-of-figures" },
      html("div", { class: "dst-lengths-head" }, html("h3", {}, "How long the gradients are"), this.about),
      this.lengthFigure.node,
      html("div", { class: "dst-shares-head" }, html("h3", {}, "Whose gradient it is, with α = ", this.value), this.slider, ends),
      this.shareFigure.node);
    this.root.append(this.nothing, this.all);
  }
  configure({ alpha }) {
    if (this.held || !this.isNews("alpha", alpha)) return;
    this.alpha = alpha;
    this.slider.value = alpha;
  }
  #weigh() {
    this.held = true;
    this.alpha = Number(this.slider.value);
    this.draw();
  }

  // A missing network is an answer, too: it is said.
  get isReady() {
    return true;
  }
  get #missing() {
    const { split } = this.spec;
    const [student, teacher] = ["student", "teacher"].map((role) => this.bench.logits(role, split));
    if (!student) return "There is no student at this moment, so there is no gradient to measure.";
    if (!teacher) return "There is no teacher at this moment, so there is no teacher’s gradient to compare with the labels’.";
    const expected = (this.bench.splits[split]?.labels.length ?? 0) * this.bench.classes.length;
    if (expected && student.length === expected && teacher.length === expected) return "";
    return "There are no labels for these examples, so there is no gradient to measure.";
  }
  // Of every student seen, once.
  get lengths() {
    const [student, teacher] = ["student", "teacher"].map((role) => this.bench.logits(role, this.spec.split));
    const { labels } = this.bench.splits[this.spec.split];
    const range = this.bench.temperatures;
    if (!this.#kept.get(student)?.isOf(student, teacher, labels, range)) this.#kept.set(student, new Lengths(student, teacher, labels, range));
    return this.#kept.get(student);
  }

  paint(theme) {
    const missing = this.#missing;
    this.nothing.hidden = !missing;
    this.all.hidden = Boolean(missing);
    write(this.nothing, missing);
    if (missing) return;
    const { lengths } = this;
    const now = lengths.at(this.bench.temperature);
    lengths.sharpen(CURVES);
    if (lengths.waiting.length) this.draw();
    // Curves are written anew when they changed; a turn of the temperature moves the marks alone.
    const key = [lengths.waiting.length, this.width, theme.dark, theme.background];
    const isStale = this.drawn?.lengths !== lengths || String(key) !== this.drawn.key;
    this.curve = isStale ? lengths.curve : this.curve;
    if (isStale) this.#layLengths(theme);
    if (isStale || this.alpha !== this.drawn.alpha) this.#layShares(theme);
    this.drawn = { lengths, key: String(key), alpha: this.alpha };
    this.#sayLengths(theme, now);
    this.#sayShares(theme, now);
  }

  // --- both figures -----------------------------------------------------------------------------------------------

  #frame(figure, plot, y) {
    const width = this.width >= 760 ? (this.width - 40) / 2 : this.width;
    const [left, right, height] = [50, 92, width < 480 ? 250 : 290];
    figure.size(width, height + 70);
    const x = temperatureAxis(this.bench.temperatures);
    x.ticks = width < 480 ? x.ticks.filter(([tick]) => [1, 4, 16, 64].includes(tick)) : x.ticks;
    plot.frame({ x: left, y: 26, width: width - left - right, height }, { x, y });
  }
  #style(theme, { role, look }) {
    return { ...theme.role(role), ...look };
  }
  #name(theme, plot, ends, signals) {
    const named = signals.map(({ id, role, glyph, words }) => ({ id, value: ends[id], glyph, words, colour: theme.role(role).colour }));
    nameEnds(plot, this.bench.temperatures[1], named);
  }

  // --- how long the gradients are ---------------------------------------------------------------------------------

  #layLengths(theme) {
    // Networks are distilled at T = 1 and above: what happens there decides the axis.
    const lengths = this.curve.flatMap((point) => [point.labels, ...(point.temperature < 1 ? [] : [point.with, point.without])]).filter((length) => length > 0);
    const exponent = (length) => Math.log10(Math.max(LOWEST, length));
    const low = lengths.length ? Math.floor(exponent(Math.min(...lengths))) : -3;
    const high = Math.max(low + 2, lengths.length ? Math.ceil(exponent(Math.max(...lengths))) : 0);
    const ticks = [];
    for (let at = low; at <= high; at += 1) {
      const text = Math.abs(at) < 3 ? Number((10 ** at).toPrecision(1)) : `10${raise(at)}`;
      ticks.push([10 ** at, `${at === low ? "≤ " : ""}${text}`]);
    }
    this.#frame(this.lengthFigure, this.lengthPlot, { low: 10 ** low, high: 10 ** high, log: true, ticks, title: "length of the gradient, mean per example" });
    // A line ends at the foot of the axis, or its top, instead of running along it.
    const isInside = (id, at) => this.curve[at]?.[id] >= 10 ** low && this.curve[at][id] <= 10 ** high;
    for (const signal of SIGNALS) {
      const points = this.curve.filter((_, at) => [at - 1, at, at + 1].some((near) => isInside(signal.id, near)));
      this.lengthPlot.line(signal.id, points.map((point) => [point.temperature, point[signal.id]]), this.#style(theme, signal));
    }
    this.#name(theme, this.lengthPlot, this.curve.at(-1), SIGNALS);
    const { split } = this.spec;
    const count = this.bench.splits[split].labels.length.toLocaleString("en");
    const examples = split === "taught" ? `${count} examples the student is taught` : `${count} ${split} examples`;
    write(this.about, `How hard each signal pulls at the student’s logits: mean over the ${examples}. Both axes are logarithmic.`);
  }
  #sayLengths(theme, now) {
    const T = Number(now.temperature.toFixed(2));
    const plot = this.lengthPlot;
    plot.rule("now", now.temperature);
    for (const signal of SIGNALS) plot.mark(`mark ${signal.id}`, now.temperature, now[signal.id], signal.glyph, theme.role(signal.role).colour);
    const times = (factor) => `${Number(factor.toPrecision(4)).toLocaleString("en")} times`;
    const factor = T > 1 ? `T² = ${times(T * T)} shorter` : T < 1 ? `${times(1 / (T * T))} longer, since T² is below 1` : "as long, since T² is 1";
    const teacher = now.with > 0
      ? `the teacher’s ${digits(now.with)} with the factor T² and ${digits(now.without)} without it: ${factor}`
      : "the teacher’s has no length: the student already says what the teacher says";
    const end = this.curve.at(-1);
    const caption = `At T = ${T} the labels’ gradient is ${digits(now.labels)} long, ${teacher}.`;
    const last = `At T = ${end.temperature}: labels ${digits(end.labels)}, teacher with T² ${digits(end.with)}, without ${digits(end.without)}.`;
    this.lengthFigure.describe(`Length of the gradient over the temperature. ${caption} ${last}`, caption);
  }
  #lengthNumbers() {
    const columns = ["temperature", "gradient from labels", "gradient from teacher with T²", "gradient from teacher without T²"];
    return { columns, rows: this.#every((point) => [point.temperature, point.labels, point.with, point.without]) };
  }
  #every(row) {
    this.lengths.sharpen();
    return [this.lengths.at(this.bench.temperature), ...this.lengths.curve].map(row);
  }

  // --- whose gradient it is ---------------------------------------------------------------------------------------

  #layShares(theme) {
    const ticks = [0, 0.25, 0.5, 0.75, 1].map((tick) => [tick, `${100 * tick} %`]);
    this.#frame(this.shareFigure, this.sharePlot, { low: 0, high: 1, log: false, ticks, title: "share of the gradient" });
    const shares = (name) => this.curve.map((point) => [point.temperature, share(this.alpha, point, name)]).filter(([, part]) => part !== null);
    const [parts, bare] = [shares("with"), shares("without")];
    const level = (height) => parts.map(([x]) => [x, height]);
    const [, taught, plain] = SIGNALS.map((signal) => this.#style(theme, signal));
    this.sharePlot.band("labels", level(1), parts, { colour: theme.role("labels").colour, opacity: 0.07 });
    this.sharePlot.band("teacher", parts, level(0), { colour: taught.colour, opacity: 0.25 });
    this.sharePlot.line("with", parts, taught);
    this.sharePlot.line("without", bare, plain);
    this.#name(theme, this.sharePlot, { with: parts.at(-1)?.[1] ?? 0, without: bare.at(-1)?.[1] ?? 0 }, SIGNALS.slice(1));
    // Each area is named where it is highest, if there it has room for a line.
    const inner = parts.slice(Math.ceil(parts.length / 8), Math.floor((parts.length * 7) / 8));
    const highest = (height) => inner.reduce((best, part) => (height(part[1]) > height(best[1]) ? part : best), inner[0] ?? [1, 0]);
    const [most, least] = [highest((part) => part), highest((part) => 1 - part)];
    const { colour } = theme.role("labels");
    const [below, above] = [most[1] > 0.1 ? "■ Teacher" : "", parts.length && least[1] < 0.9 ? "✕ Labels" : ""];
    inscribe(this.sharePlot, theme, "area teacher", most[0], most[1] / 2, below, { anchor: "middle", colour: taught.colour });
    inscribe(this.sharePlot, theme, "area labels", least[0], (1 + least[1]) / 2, above, { anchor: "middle", colour });
    write(this.value, this.alpha.toFixed(2));
  }
  #sayShares(theme, now) {
    const T = Number(now.temperature.toFixed(2));
    const plot = this.sharePlot;
    const { x, y, width, height } = plot.box;
    const parts = { with: share(this.alpha, now, "with"), without: share(this.alpha, now, "without") };
    const { colour } = theme.role("teacher");
    const right = plot.x(now.temperature) < x + width - 70;
    plot.rule("now", now.temperature);
    // The numbers keep off their lines: the higher one above its mark, the lower one below, but neither at the very edge.
    const names = ["with", "without"];
    const beside = (name) => {
      const at = plot.y(parts[name]);
      const isHigher = parts[name] >= parts[name === "with" ? "without" : "with"];
      return at + (at < y + 26 || (!isHigher && at < y + height - 26) ? 13 : -13);
    };
    const heights = spread(names.map(beside), 17, y + 9, y + height - 9);
    names.forEach((name, at) => {
      const isShown = parts[name] !== null;
      const isTwin = name === "without" && portion(parts.with) === portion(parts.without);
      plot.mark(`mark ${name}`, now.temperature, parts[name] ?? 0, isShown ? SIGNALS[at + 1].glyph : "", colour);
      inscribe(plot, theme, `value ${name}`, now.temperature, parts[name] ?? 0, isShown && !isTwin ? portion(parts[name]) : "", {
        anchor: right ? "start" : "end", dx: right ? 10 : -10, dy: heights[at] - plot.y(parts[name] ?? 0), colour,
      });
    });
    const caption = this.#shareSentence(T, parts, now);
    this.shareFigure.describe(`The teacher’s share of the gradient over the temperature. ${caption}`, caption);
    const spoken = parts.with === null ? "no gradient at all" : `${portion(parts.with)} of the gradient from the teacher`;
    attributes(this.slider, { "aria-valuetext": `alpha ${this.alpha.toFixed(2)}: ${spoken}` });
  }
  #shareSentence(T, parts, now) {
    const place = `At T = ${T} and α = ${this.alpha.toFixed(2)}`;
    if (parts.with === null) {
      const [fits, agrees] = ["fits its labels exactly", "says exactly what the teacher says"];
      const why = this.alpha === 0 ? fits : this.alpha === 1 ? agrees : `${fits} and ${agrees}`;
      return `${place} there is no gradient at all: the student ${why}.`;
    }
    const first = `${place} the teacher’s gradient is ${portion(parts.with)} of the two lengths together, that of the labels ${portion(1 - parts.with)}.`;
    if (parts.with === 0 || parts.with === 1) return `${first} The factor T² changes nothing about that.`;
    if (T === 1) return `${first} Without the factor T² it is the same: T² is 1.`;
    return `${first} Without the factor T² the teacher’s would be ${portion(parts.without)}.`;
  }
  #shareNumbers() {
    const columns = ["temperature", "alpha", "teacher's share with T²", "teacher's share without T²"];
    return { columns, rows: this.#every((point) => [point.temperature, this.alpha, share(this.alpha, point, "with"), share(this.alpha, point, "without")]) };
  }
}

export default mounting(Gradients);
