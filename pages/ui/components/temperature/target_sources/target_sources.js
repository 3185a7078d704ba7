// Where soft targets come from: the label, label smoothing, a virtual teacher and the real one, and how soft each is.
//
// Payload: bench, options [{name, label, low, high, step, value}] with the names smoothing and correct_probability, log.
// Sets the states smoothing, correct_probability and log. The virtual teacher is that of Yuan et al. 2020 (Tf-KD).

const SOURCES = [
  { id: "one-hot", title: "One-hot label", role: "labels", glyph: "✕" },
  { id: "smoothing", title: "Label smoothing", role: "labels", glyph: "◇", look: { dash: "8px,3px,2px,3px", width: 1.5 } },
  { id: "virtual", title: "Virtual teacher", role: "teacher", glyph: "□", look: { dash: "3px,3px", width: 1.5 } },
  { id: "teacher", title: "Teacher", role: "teacher", glyph: "■" },
];
const NEAREST = 1e-8; // nats; the axis goes no lower

class Sources extends Instrument {
  constructor(root) {
    super(root, "sources");
  }

  build() {
    this.handles = [];
    this.options = html("div", { class: "dst-options" });
    this.title = html("span", { class: "dst-title" });
    this.scale = new ScaleToggle((log) => {
      this.tell("log", log);
      this.draw();
    });
    this.classFigure = new Figure("target-sources", () => this.#classNumbers());
    this.lanes = new Lanes(this.classFigure.chart);
    this.distanceFigure = new Figure("target-distances", () => this.#distanceNumbers());
    this.plot = new Plot(this.distanceFigure.chart);
    const nothing = "There is neither a label nor a network’s answer here, so there is no target to compare.";
    this.nothing = html("p", { class: "dst-empty", hidden: true }, nothing);
    this.both = html("div", { class: "dst-both" },
      html("div", {}, html("div", { class: "dst-head" }, this.title, this.scale.node), this.classFigure.node),
      html("div", {}, html("div", { class: "dst-head" }, html("span", { class: "dst-title" }, "How far from uniform")), this.distanceFigure.node));
    this.root.append(this.options, this.nothing, this.both);
  }
  configure({ options = [], log }) {
    if (this.isNews("log", log)) this.scale.set(Boolean(log));
    if (String(options.map(({ name }) => name)) !== String(this.handles.map(({ name }) => name))) {
      this.handles = options.map((option) => new OptionHandle(option, {
        moved: () => this.draw(),
        chosen: (value) => this.say(option.name, value),
      }));
      this.options.replaceChildren(...this.handles.map(({ node }) => node));
    }
    options.forEach((option, at) => this.handles[at].update(option));
  }
  get isReady() {
    return this.bench.given !== null || this.bench.isReady;
  }

  // --- the distributions ------------------------------------------------------------------------------------------

  #option(name) {
    return this.handles.find((handle) => handle.name === name)?.value ?? 0;
  }
  // What is compared: {classes, label, stand (who named the label, if nobody labelled the input), teacher, range, ε, a}.
  #look() {
    const { classes, label, title, logits } = this.bench.subject;
    const stand = label === null ? NETWORKS.find((role) => logits[role]) : null;
    const right = label ?? (stand ? topOf(logits[stand]) : null);
    const [smoothing, certainty] = ["smoothing", "correct_probability"].map((name) => this.#option(name));
    const range = this.bench.temperatures ?? [0.5, 64];
    return { classes, title: title ?? "This input", label: right, stand, teacher: logits.teacher ?? null, range, smoothing, certainty };
  }
  // All of them, as log-probabilities over the classes. The virtual teacher's probabilities are softened like logits,
  // as its authors' code does.
  #targets({ classes, label, teacher, smoothing, certainty }, temperature) {
    const count = classes.length;
    const virtual = classes.map((_, k) => (k === label ? certainty : (1 - certainty) / (count - 1)));
    return {
      "one-hot": classes.map((_, k) => (k === label ? 0 : -Infinity)),
      smoothing: classes.map((_, k) => Math.log(smoothing / count + (k === label ? 1 - smoothing : 0))),
      virtual: logSoftmax(virtual, temperature),
      ...(teacher ? { teacher: logSoftmax(teacher, temperature) } : {}),
    };
  }
  #distances(look, temperature) {
    const targets = this.#targets(look, temperature);
    const distance = (logp) => Math.max(0, Math.log(logp.length) - entropy(logp));
    return { temperature, ...Object.fromEntries(Object.entries(targets).map(([id, logp]) => [id, distance(logp)])) };
  }
  #curve(look) {
    return temperatureGrid(look.range).map((temperature) => this.#distances(look, temperature));
  }

  paint(theme) {
    const look = this.#look();
    const isEmpty = look.label === null;
    this.nothing.hidden = !isEmpty;
    this.both.hidden = isEmpty;
    if (isEmpty) return;
    const { temperature } = this.bench;
    const targets = this.#targets(look, temperature);
    const styled = ({ id, title, role, glyph, look: more }) => ({ ...theme.role(role), ...more, id, title, glyph });
    const sources = SOURCES.filter(({ id }) => targets[id]).map(styled);
    this.#paintClasses(theme, look, sources, targets);
    this.#paintDistances(theme, look, sources, this.#distances(look, temperature));
  }
  get figureWidth() {
    return this.width >= 760 ? (this.width - 40) / 2 : this.width;
  }

  // --- class by class ---------------------------------------------------------------------------------------------

  #paintClasses(theme, look, sources, targets) {
    const { classes, label, title, stand, teacher, smoothing, certainty } = look;
    write(this.title, stand ? title : `${title}, labelled ${classes[label]}`);
    this.lanes.draw(theme, this.figureWidth, { ...look, sources, targets, log: this.scale.log });
    const of = (id) => (targets[id][label] === 0 ? "1" : digits(Math.exp(targets[id][label])));
    const T = Number(this.bench.temperature.toFixed(2));
    const missing = teacher ? "" : " There is no teacher’s answer to this input.";
    const standing = stand ? ` It has no label: the ${stand}’s top class, ${classes[label]}, stands in for it.` : "";
    const names = {
      "one-hot": "the one-hot label", smoothing: `label smoothing with ε = ${short(smoothing)}`,
      virtual: `the virtual teacher, ${percent(certainty)} certain`, teacher: "the teacher",
    };
    const shares = sources.map(({ id }) => `${of(id)} from ${names[id]}`).join("; ");
    const others = classes.length > MANY ? ` The last row is the mean of the other ${classes.length - BESIDE - 1} classes.` : "";
    const caption = `At T = ${T} class ${classes[label]} gets ${shares}.${standing}${missing}${others}`;
    this.classFigure.describe(`Probability of every class for ${title}; uniform would be ${digits(1 / classes.length)} each. ${caption}`, caption);
  }
  #classNumbers() {
    const look = this.#look();
    const { temperature } = this.bench;
    const targets = this.#targets(look, temperature);
    const present = SOURCES.filter(({ id }) => targets[id]);
    return {
      columns: ["class", ...present.map(({ title }) => title.toLowerCase().replace(" label", "")), "uniform", "temperature"],
      rows: look.classes.map((name, k) => [name, ...present.map(({ id }) => Math.exp(targets[id][k])), 1 / look.classes.length, temperature]),
    };
  }

  // --- how far from uniform ---------------------------------------------------------------------------------------

  #paintDistances(theme, look, sources, now) {
    const key = JSON.stringify([look.classes.length, look.label, look.teacher, look.range, look.smoothing, look.certainty]);
    const isNew = key !== this.kept?.key;
    if (isNew) this.kept = { key, curve: this.#curve(look) };
    const { curve } = this.kept;
    const drawn = `${this.width} ${theme.dark} ${this.lanes.height}`;
    if (isNew || drawn !== this.drawn) this.#layDistances(look, sources, curve);
    this.drawn = drawn;
    this.plot.rule("now", now.temperature);
    for (const { id, glyph, colour } of sources) this.plot.mark(`mark ${id}`, now.temperature, now[id], glyph, colour);
    const caption = this.#distanceSentence(look, now);
    this.distanceFigure.describe(`Distance from the uniform distribution over the temperature, in nats, both axes logarithmic. ${caption}`, caption);
  }
  #layDistances(look, sources, curve) {
    const width = this.figureWidth;
    // Beside the other figure as high as that one, within reason.
    const height = width < this.width ? Math.min(460, Math.max(290, this.lanes.height - 70)) : width < 480 ? 260 : 330;
    const farthest = Math.log(look.classes.length);
    const lengths = curve.flatMap((point) => sources.map(({ id }) => point[id])).filter((value) => value > 0);
    const low = Math.floor(Math.log10(Math.max(NEAREST, Math.min(1e-2, ...lengths))));
    const ticks = [];
    for (let at = low; at <= 0; at += 1) {
      const text = at > -3 ? Number((10 ** at).toPrecision(1)) : `10${raise(at)}`;
      ticks.push([10 ** at, `${at === low ? "≤ " : ""}${text}`]);
    }
    const x = temperatureAxis(look.range);
    if (width < 480) x.ticks = x.ticks.filter(([tick]) => [1, 4, 16, 64].includes(tick));
    this.distanceFigure.size(width, height + 70);
    const y = { low: 10 ** low, high: Math.max(1, 1.3 * farthest), log: true, ticks, title: "nats from the uniform distribution" };
    this.plot.frame({ x: 50, y: 26, width: width - 50 - 96, height }, { x, y });
    for (const source of sources) {
      const dash = source.dash === "solid" ? "none" : source.dash;
      this.plot.line(source.id, curve.map((point) => [point.temperature, point[source.id]]), { ...source, dash });
    }
    const ends = sources.map(({ id, title, glyph, colour }) => ({ id, value: curve.at(-1)[id], glyph, colour, words: title.split(/ (.*)/, 2) }));
    nameEnds(this.plot, look.range[1], ends);
  }

  // What the teacher says of the wrong classes, next to what the others say of them: that all are equally likely.
  #distanceSentence(look, now) {
    const { classes, label, teacher, smoothing } = look;
    const T = Number(now.temperature.toFixed(2));
    const always = `at every T, label smoothing with ε = ${short(smoothing)} is ${digits(now.smoothing)} away, the one-hot label ${digits(now["one-hot"])}`;
    const virtual = `the virtual teacher ${teacher ? "" : "is "}${digits(now.virtual)}${teacher ? "" : " nats from the uniform distribution"}`;
    if (!teacher) return `At T = ${T} ${virtual}; ${always}. There is no teacher’s answer to this input.`;
    const first = `At T = ${T} the teacher is ${digits(now.teacher)} nats from the uniform distribution, ${virtual}; ${always}.`;
    const wrong = classes.map((_, k) => k).filter((k) => k !== label).sort((a, b) => teacher[b] - teacher[a]);
    if (wrong.length < 2) return `${first} With two classes there is one wrong class, and nothing to rank.`;
    const [likely, unlikely] = [wrong[0], wrong.at(-1)];
    const ratio = Math.exp((teacher[likely] - teacher[unlikely]) / now.temperature);
    const times = ratio > 1e6 ? "over a million times" : `${digits(ratio)} times`;
    const ranking = `its likeliest wrong class, ${classes[likely]}, is ${times} as likely as its least likely, ${classes[unlikely]}`;
    if (ratio >= 2) return `${first} It ranks the wrong classes: ${ranking}. Label smoothing and the virtual teacher rank none.`;
    const nothing = ratio < 1.1 ? "nothing" : "almost nothing";
    return `${first} What it then says of the wrong classes is what label smoothing says, ${nothing}: ${ranking} (the argument of Yuan et al. 2020).`;
  }
  #distanceNumbers() {
    const look = this.#look();
    const points = [this.#distances(look, this.bench.temperature), ...this.kept.curve];
    const present = SOURCES.filter(({ id }) => id in points[0]);
    return {
      columns: ["temperature", ...present.map(({ title }) => title.toLowerCase().replace(" label", ""))],
      rows: points.map((point) => [point.temperature, ...present.map(({ id }) => point[id])]),
    };
  }
}

export default mounting(Sources);
