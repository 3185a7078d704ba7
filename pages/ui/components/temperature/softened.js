// What every network answers to one input, softened by the temperature: mirrored bars and their readouts.
//
// Payload: bench, given (null, or {logits: {role: [K]}, classes, label, title, src}: an input that is no example of the
// data), pair (two positions of classes, or null), log. Sets the states pair and log.

class Softened extends Instrument {
  constructor(root) {
    super(root, "softened");
  }

  build() {
    this.figure = new Figure("soft-targets", () => this.#numbers());
    this.mirror = new Mirror(this.figure.chart);
    this.figure.stage.classList.add("dst-rows");
    this.figure.stage.addEventListener("scroll", () => this.draw());
    this.figure.prepare = () => this.#drawBars(readTheme(this.root), [-Infinity, Infinity]); // what is saved is whole
    this.title = html("span", { class: "dst-title" });
    this.scale = new ScaleToggle((log) => {
      this.draw();
      this.tell("log", log);
    });
    this.readouts = html("div", { class: "dst-readouts", "aria-live": "off" });
    this.selects = [0, 1].map((at) => html("select", { "aria-label": at ? "Second class of the ratio" : "First class of the ratio", onchange: () => this.#choosePair() }));
    this.ratio = html("p", { class: "dst-ratio" });
    this.pair = html("div", { class: "dst-pair" }, html("span", { class: "dst-soft" }, "Ratio of"), this.selects[0], html("span", { class: "dst-soft" }, "to"), this.selects[1], this.ratio);
    this.root.append(html("div", { class: "dst-head" }, this.title, this.scale.node), this.figure.node, this.readouts, this.pair);
  }

  configure({ given, log, pair }) {
    if (this.isNews("given", given)) this.bench.set({ given: given ?? null });
    if (this.isNews("log", log)) this.scale.set(Boolean(log));
    if (this.isNews("pair", pair)) this.chosen = pair ?? null;
  }
  get isReady() {
    return this.bench.given !== null || this.bench.isReady;
  }

  paint(theme) {
    const { classes, label, title, logits } = this.bench.subject;
    const isAnswered = NETWORKS.some((role) => logits[role]);
    write(this.title, label === null ? title : `${title}, labelled ${classes[label]}`);
    const { scrollTop, clientHeight } = this.figure.stage;
    const now = this.#drawBars(theme, [scrollTop, scrollTop + Math.max(clientHeight, 600)]);
    this.figure.stage.tabIndex = this.mirror.height > 560 ? 0 : -1;
    const spoken = inOneBreath(now, classes);
    this.figure.describe(`Probabilities at temperature ${digits(this.bench.temperature)} for ${title}${label === null ? "" : `, labelled ${classes[label]}`}: ${spoken}.`);
    this.#say(now, classes, theme);
    for (const node of [this.figure.node, this.scale.node, this.readouts, this.pair]) node.hidden = !isAnswered;
    if (!isAnswered) return;
    this.#layPair(classes, logits);
    this.#sayRatio(now, logits, classes);
  }

  #drawBars(theme, seen) {
    const { classes, label, logits } = this.bench.subject;
    const roles = NETWORKS.filter((role) => logits[role]);
    const { temperature } = this.bench;
    return this.mirror.draw(theme, this.width, { classes, roles, logits, label, temperature, log: this.scale.log, seen });
  }

  #say(now, classes, theme) {
    const own = (number) => Object.entries(now).map(([role, logp]) => term("", number(logp), theme.role(role)));
    const top = (logp) => Math.exp(Math.max(...logp));
    const distances = ["student", "baseline"]
      .filter((role) => now.teacher && now[role])
      .map((role) => term(`teacher ‖ ${role}`, digits(divergence(now.teacher, now[role]))));
    this.readouts.replaceChildren(...[
      readout("Top class", own((logp) => `${classes[topOf(logp)]} · ${percent(top(logp))}`)),
      readout("Off the top class", own((logp) => digits(-Math.expm1(Math.max(...logp))))),
      readout("Entropy, nats", own((logp) => digits(entropy(logp)))),
      readout("KL, nats", distances),
    ].filter(Boolean));
  }

  // --- the ratio of two classes -----------------------------------------------------------------------------------

  // Until somebody chooses: the two classes that the teacher, or the first network there is, finds most likely.
  #layPair(classes, logits) {
    const key = JSON.stringify(classes);
    if (key !== this.pairClasses) {
      this.pairClasses = key;
      for (const select of this.selects) select.replaceChildren(...classes.map((name, k) => html("option", { value: k }, name)));
    }
    const ranked = Object.values(logits)[0].map((value, k) => [value, k]).sort((a, b) => b[0] - a[0]);
    const valid = this.chosen?.every((k) => k >= 0 && k < classes.length);
    this.shownPair = valid ? this.chosen : [ranked[0][1], ranked[1][1]];
    this.selects.forEach((select, at) => {
      if (Number(select.value) !== this.shownPair[at]) select.value = this.shownPair[at];
    });
  }
  #choosePair() {
    this.chosen = this.selects.map((select) => Number(select.value));
    this.tell("pair", this.chosen);
    this.draw();
  }
  #sayRatio(now, logits, classes) {
    const [i, j] = this.shownPair;
    const [a, b] = [classes[i], classes[j]];
    const T = temperatureText(this.bench.temperature);
    const lines = Object.keys(now).map((role) => {
      const [zi, zj] = [logits[role][i], logits[role][j]];
      const { glyph } = PALETTE.roles[role];
      return html("span", {}, `${glyph} ${digits(Math.exp(now[role][i] - now[role][j]))} = exp((${zi.toFixed(2)} − ${zj < 0 ? `(${zj.toFixed(2)})` : zj.toFixed(2)}) / ${T})`);
    });
    this.ratio.replaceChildren(html("span", { class: "dst-soft" }, `p(${a}) / p(${b}) = exp((z(${a}) − z(${b})) / T)`), ...lines);
  }

  #numbers() {
    const { classes, label, logits } = this.bench.subject;
    const { temperature } = this.bench;
    const roles = NETWORKS.filter((role) => logits[role]);
    const soft = roles.map((role) => softmax(logits[role], temperature));
    return {
      columns: ["class", "label", "temperature", ...roles.flatMap((role) => [`${role} logit`, `${role} p`])],
      rows: classes.map((name, k) => [name, label === null ? "" : Number(k === label), temperature, ...roles.flatMap((role, at) => [logits[role][k], soft[at][k]])]),
    };
  }
}

export default mounting(Softened);
