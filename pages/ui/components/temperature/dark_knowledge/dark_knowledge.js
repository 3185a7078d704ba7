// The dark-knowledge map: how much of every class a network gives, on average, to the examples of every class.
//
// Payload: bench, diagonal (is it shown?), cell ([true class, answered class], positions, or null), log, difference (two
// roles, "student-teacher"). Sets the states diagonal, cell, log, difference and image (the position of an example).

const DIFFERENCES = [["student", "teacher"], ["baseline", "teacher"], ["student", "baseline"]];
const LOWEST = 1e-4; // of the logarithmic scale with the diagonal
let knowledgeMaps = 0;

// A share in percent, with digits also where it is small; a difference of two shares in percentage points.
const part = (p) => (!Number.isFinite(p) ? "–" : p === 0 ? "0 %" : p >= 0.0095 ? percent(p) : `${digits(100 * p)} %`);
const points = (d) => (!Number.isFinite(d) ? "–" : `${d < 0 ? "−" : d > 0 ? "+" : ""}${digits(100 * Math.abs(d))}`);

class Knowledge extends Instrument {
  #means = new Map();

  constructor(root) {
    super(root, "knowledge");
  }

  build() {
    this.id = `dst-knowledge-${++knowledgeMaps}`;
    this.figure = new Figure("dark-knowledge", () => this.#numbers());
    this.hider = html("button", { type: "button", onclick: () => this.#set("diagonal", !this.diagonal) }, "Hide the diagonal");
    this.scale = new ScaleToggle((log) => this.#set("log", log), "colours");
    this.pair = html("select", { "aria-label": "Difference that is shown", onchange: () => this.#set("difference", this.pair.value) });
    this.readout = html("p", { class: "dst-knowledge-readout" });
    this.spoken = html("p", { class: "dst-hidden-text", "aria-live": "polite" });
    const chosen = (cell) => this.#set("cell", cell);
    this.images = new Confused({ chosen, image: (index) => (this.bench.choose(index), this.say("image", index)) });
    this.cursor = new HeatCursor(this.figure, {
      at: (x, y) => this.maps?.layout.at(x, y) ?? null,
      first: () => this.cell ?? this.first,
      count: () => this.bench.classes.length,
      moved: () => this.draw(),
      chosen,
    });
    const group = (name, nodes) => html("div", { class: "dst-toggle", role: "group", "aria-label": name }, nodes);
    const difference = html("label", {}, html("span", { class: "dst-soft" }, "Difference "), this.pair);
    const head = html("div", { class: "dst-knowledge-head" }, group("Diagonal", this.hider), this.scale.node, difference);
    this.root.append(head, this.readout, this.spoken, this.figure.node, this.images.node);
  }

  #set(state, value) {
    this[state] = value;
    this.tell(state, value);
    this.draw();
  }

  configure(spec) {
    for (const [state, otherwise] of [["diagonal", true], ["log", false], ["cell", null], ["difference", null]]) {
      if (this.isNews(state, spec[state])) this[state] = spec[state] ?? otherwise;
    }
  }
  get isReady() {
    return this.bench.isReady && this.bench.roles.length > 0;
  }

  // {means: Float64Array (classes × classes), counts}; a class without examples has no means (NaN).
  #of(role) {
    const { bench } = this;
    const [{ p }, labels] = [bench.softened(role), bench.labels];
    const kept = this.#means.get(role);
    if (kept?.p !== p || kept.labels !== labels) this.#means.set(role, { p, labels, ...meanAnswers(p, labels, bench.classes.length) });
    return this.#means.get(role);
  }
  #numbers() {
    const { classes, roles, temperature } = this.bench;
    const maps = roles.map((role) => this.#of(role));
    const blank = (value) => (Number.isFinite(value) ? value : "");
    const own = (c, k) => maps.map(({ means }) => blank(means[c * classes.length + k]));
    const rows = classes.flatMap((name, c) => classes.map((other, k) => [temperature, name, other, ...own(c, k), maps[0].counts[c]]));
    return { columns: ["temperature", "true class", "answered class", ...roles, "examples"], rows };
  }

  paint(theme) {
    const { classes, roles } = this.bench;
    const count = classes.length;
    if (this.cell && !this.cell.every((at) => at >= 0 && at < count)) this.cell = null;
    if (this.cursor.cell?.some((at) => at >= count)) this.cursor.cell = null;
    attributes(this.hider, { "aria-pressed": String(!this.diagonal) });
    this.scale.set(this.log);
    this.#choices(roles);
    this.#lay(theme, classes, roles);
    const means = roles.map((role) => this.#of(role).means);
    const scale = this.#scale(means, count);
    means.forEach((values, i) => this.maps.heats[i].draw(values, count, scaleOf(scale), this.sequential.pixels, this.diagonal));
    const middle = scale.log ? Math.sqrt(scale.low * scale.high) : scale.high / 2;
    this.maps.bars[0].say([`${scale.cut ? "≤ " : ""}${part(scale.low)}`, part(middle), part(scale.high)]);
    if (this.apart) {
      const [more, less] = this.apart.map((role) => this.#of(role).means);
      const values = more.map((value, at) => value - less[at]);
      const most = extent(values, count, this.diagonal).most;
      this.maps.heats.at(-1).draw(values, count, scaleOf({ low: -(most || 1e-300), high: most || 1e-300 }), this.diverging.pixels, this.diagonal);
      this.maps.bars[1].say([points(-most), "0", points(most)]);
    }
    this.maps.strike(!this.diagonal);
    this.maps.frame("chosen", this.cell);
    this.maps.frame("pointed", this.cursor.cell);
    this.#say(classes, roles, count);
    this.images.draw(theme, this.bench, this.cell);
  }

  #choices(roles) {
    const possible = DIFFERENCES.filter((both) => both.every((role) => roles.includes(role)));
    const key = JSON.stringify(possible);
    if (key !== this.possible) {
      this.possible = key;
      this.pair.replaceChildren(...possible.map((both) => html("option", { value: both.join("-") }, both.join(" − "))));
      this.pair.parentNode.hidden = possible.length === 0;
    }
    this.apart = possible.find((both) => both.join("-") === this.difference) ?? possible[0] ?? null;
    if (this.apart && this.pair.value !== this.apart.join("-")) this.pair.value = this.apart.join("-");
  }

  // With the diagonal the scale is fixed, so that colours can be compared between temperatures; without, it is fitted.
  #scale(means, count) {
    if (this.diagonal) return { low: this.log ? LOWEST : 0, high: 1, log: this.log, cut: this.log };
    const ranges = means.map((values) => extent(values, count, false));
    const [high, least] = [Math.max(...ranges.map((range) => range.most)), Math.min(...ranges.map((range) => range.least))];
    const floor = high / 10 ** DECADES;
    return { low: this.log ? Math.max(least, floor) : 0, high, log: this.log, cut: this.log && least < floor };
  }

  // Nodes are made when the shape of the maps changes.
  #lay(theme, classes, roles) {
    const shape = JSON.stringify([this.width, classes, roles, this.apart, theme.dark, theme.font]);
    if (shape === this.shape) return;
    this.shape = shape;
    const titles = roles.map(theme.role).map(({ glyph, name, colour }) => [svg("tspan", { fill: colour }, glyph), ` ${name}`]);
    const bars = [{ colours: (this.sequential = ramp(CIVIDIS)), title: "mean probability" }];
    if (this.apart) {
      const [more, less] = this.apart;
      this.diverging = ramp([theme.role("teacher").colour, theme.dark ? "#3a3d44" : "#e4e4e2", theme.role("student").colour]);
      titles.push(`${more[0].toUpperCase()}${more.slice(1)} − ${less}`);
      bars.push({ colours: this.diverging, title: `percentage points: ${less} more | ${more} more` });
    }
    this.maps = new HeatMaps(this.id, this.figure, theme, this.width, classes, titles, bars);
  }

  #say(classes, roles, count) {
    const { means: leader, counts } = this.#of(roles[0]);
    const split = this.bench.shown === "test" ? "test" : "validation";
    const tops = largest(leader, count, 3).filter((at) => leader[at] > 0);
    this.first = tops.length ? [Math.floor(tops[0] / count), tops[0] % count] : [0, 1];
    write(this.readout, this.#sentence(this.cursor.cell ?? this.cell, classes, roles, counts, split));
    if (this.cursor.isByKey) write(this.spoken, this.readout.textContent);
    this.cursor.isByKey = false;
    const pairs = tops.map((at) => [classes[Math.floor(at / count)], classes[at % count], part(leader[at])]);
    const most = (words) => (pairs.length ? ` Off the diagonal the ${roles[0]} gives most for ${words}.` : "");
    const empty = classes.filter((_, c) => !counts[c]);
    const named = `${empty.slice(0, 6).join(", ")}${empty.length > 6 ? ` and ${empty.length - 6} more` : ""}`;
    const missing = empty.length ? ` There is no ${split} example of ${named}: blank.` : "";
    const apart = roles.slice(1).map((role) => `${role} ${digits(100 * distance(leader, this.#of(role).means, count))} points`).join(", ");
    const rest = `${apart && ` Mean distance of a cell from the ${roles[0]}, off the diagonal: ${apart}.`}${missing}`;
    const hidden = this.diagonal ? "" : " The diagonal is hidden; the colours are fitted to the rest.";
    const basis = `T = ${temperatureText(this.bench.temperature)}, ${this.bench.labels.length} ${split} examples.`;
    const spoken = `Mean probability of every answered class for every true class, ${count} by ${count}, from ${roles.join(", ")}. ${basis}`;
    this.figure.describe(
      `${spoken}${most(pairs.map(([c, k, p]) => `a true ${c} to ${k}, ${p}`).join("; "))}${rest}${hidden}`,
      `${basis}${most(`true ${pairs.map(([c, k, p]) => `${c} → ${k} (${p})`).join(", ")}`)}${rest}${hidden}`);
  }
  #sentence(cell, classes, roles, counts, split) {
    if (!cell) return "Point at a cell to read it. Choose it to see the examples behind it.";
    const [c, k] = cell;
    if (!counts[c]) return `No ${split} example is a true ${classes[c]}.`;
    const own = roles.map((role, i) => {
      const p = part(this.#of(role).means[c * classes.length + k]);
      return i ? `${p} from the ${role}` : `${p} of ${classes[k]} from the ${role}`;
    });
    return `A true ${classes[c]} gets ${own.join(", ")} (mean of ${counts[c]} example${counts[c] === 1 ? "" : "s"}).`;
  }
}

export default mounting(Knowledge);
