// Pick an input: the examples of the shown split, filtered, as pages of thumbnails; points of a plane as one scatter plot.
//
// Payload: bench, image (position in the shown split), show (a key of SHOWS), class ("none" or a class name).
// Sets the states image, show and class.

const GAP = 4; // between thumbnails
const EDGE = 3; // around a thumbnail, for its frame

class Gallery extends Instrument {
  constructor(root) {
    super(root, "gallery");
  }

  build() {
    Object.assign(this, { selection: new Selection(), show: "all", label: "none", page: 0, count: 1, list: [] });
    const button = (text, act, more) => html("button", { type: "button", onclick: act, ...more }, text);
    this.filters = Object.fromEntries(Object.keys(SHOWS).map((show) => [show, button("", () => this.#filter("show", show))]));
    this.select = html("select", { "aria-label": "Class that the examples are labelled with", onchange: () => this.#filter("class", this.select.value) });
    this.surprise = button("Surprise me", () => this.#surprise());
    this.empty = html("p", { class: "dst-empty" });
    this.sheet = html("div", { class: "dst-sheet", role: "radiogroup", "aria-label": "Examples", onkeydown: (event) => this.#press(event) });
    this.scatter = new Scatter((at) => this.#pick(at), (event) => this.#press(event), () => this.#numbers());
    this.turns = [-1, 1].map((step) => button(step < 0 ? "Previous" : "Next", () => this.#turn(step)));
    this.range = html("span", { role: "status" });
    this.legend = html("span", { class: "dst-soft" }, "≠ student wrong");
    this.pager = html("div", { class: "dst-pager" }, this.turns[0], this.range, this.turns[1], this.legend);
    this.chosen = html("p", { class: "dst-soft dst-chosen" });
    this.root.append(html("div", { class: "dst-toggle", role: "group", "aria-label": "Show" }, Object.values(this.filters)),
      html("div", { class: "dst-narrow" }, this.select, this.surprise), this.empty, this.sheet, this.scatter.figure.node, this.pager, this.chosen);
    // A chosen example that does not exist must not wait until the gallery can be seen.
    const follow = this.changed;
    this.changed = () => {
      this.#settle();
      follow();
    };
  }

  configure({ image, show, class: label }) {
    if (this.isNews("show", show)) this.show = show in SHOWS ? show : "all";
    if (this.isNews("class", label)) this.label = label ?? "none";
    if (this.isNews("image", image)) this.wanted = Math.trunc(image) || 0;
    this.#settle();
  }
  // An input that is no example, given by Python, stays until Python takes it back: only the user's choice ends it here.
  #settle() {
    const last = this.bench.labels.length - 1;
    if (last < 0) return;
    const index = Math.max(0, Math.min(this.wanted ?? this.bench.index, last));
    this.wanted = null;
    if (index !== this.bench.index) this.bench.set({ index });
  }

  // --- drawing ------------------------------------------------------------------------------------------------------

  paint(theme) {
    const { bench, selection } = this;
    const fresh = selection.update(bench);
    const state = [this.show, this.label, this.page, bench.index, bench.given === null, this.width, theme.dark, bench.points, bench.sheet];
    if (!selection.labels.length || (!fresh && state.every((value, i) => value === this.state?.[i]))) return;
    const pictures = !bench.points;
    const focused = this.sheet.contains(this.root.getRootNode().activeElement);
    this.#layFilters();
    this.#measure(pictures);
    const at = this.list.indexOf(bench.index);
    const filtered = `${this.show} ${this.label}`;
    if (filtered !== this.filtered && at < 0) this.page = 0;
    else if (at >= 0 && (bench.index !== this.followed || filtered !== this.filtered)) this.page = Math.floor(at / this.count);
    this.page = Math.max(0, Math.min(this.page, Math.ceil(this.list.length / this.count) - 1));
    this.filtered = filtered;
    this.followed = bench.index;
    const none = this.list.length === 0;
    write(this.empty, none ? this.#nothing : "");
    this.empty.hidden = !none;
    this.sheet.hidden = none || !pictures;
    this.scatter.figure.node.hidden = pictures;
    if (pictures) this.#layPage(focused);
    else this.#layPlane(theme, at);
    this.#layPager(at, pictures);
    this.state = [this.show, this.label, this.page, ...state.slice(3)];
  }
  get isChosen() {
    return this.bench.given === null;
  }

  #layFilters() {
    const { classes } = this.bench;
    const { lists, labels } = this.selection;
    if (classes !== this.selectable) {
      this.selectable = classes;
      this.select.replaceChildren(html("option", { value: "none" }, "All classes"), ...classes.map((name) => html("option", { value: name }, name)));
    }
    const k = classes.indexOf(this.label);
    this.select.value = k < 0 ? "none" : this.label;
    this.current = lists[this.show] ? this.show : "all";
    for (const [show, button] of Object.entries(this.filters)) {
      button.hidden = !lists[show];
      if (button.hidden) continue;
      const list = k < 0 ? lists[show] : lists[show].filter((i) => labels[i] === k);
      write(button, `${SHOWS[show]} (${list.length})`);
      attributes(button, { "aria-pressed": String(show === this.current) });
      if (show === this.current) this.list = list;
    }
  }
  get #nothing() {
    const labelled = this.select.value === "none" ? "" : ` labelled ${this.label}`;
    const every = labelled ? `every example${labelled}` : "every one of these";
    if (this.current === "student_wrong") return `The student gets ${every} right.`;
    if (this.current === "disagree") return `Teacher and student agree on ${every}.`;
    if (this.current === "unsure") return `None of the ${this.selection.lists.unsure.length} examples that the teacher is least sure of is${labelled}.`;
    return `No example here is${labelled}.`;
  }

  // A few rows of thumbnails; pixels of the picture become whole pixels of the page where that is about 44 wide.
  #measure(pictures) {
    const { sheet } = this.bench;
    const first = this.page * this.count;
    const whole = sheet ? Math.round(44 / sheet.width) * sheet.width : 0;
    this.size = whole >= 36 && whole <= 56 ? whole : 44;
    const cell = this.size + 2 * EDGE;
    const height = (sheet ? (this.size * sheet.height) / sheet.width : this.size) + 2 * EDGE;
    this.columns = Math.max(1, Math.floor((this.width + GAP) / (cell + GAP)));
    const rows = Math.max(2, Math.min(4, Math.round(28 / this.columns)));
    this.count = pictures ? this.columns * rows : Math.max(1, this.list.length);
    this.page = Math.floor(first / this.count);
    const room = Math.min(rows, Math.ceil(this.list.length / this.columns));
    const grid = `grid-template-columns: repeat(${this.columns}, ${cell}px); grid-auto-rows: ${height}px`;
    attributes(this.sheet, { style: `${grid}; min-height: ${room * (height + GAP) - GAP}px` });
  }
  #layPage(focused) {
    const first = this.page * this.count;
    const shown = this.list.slice(first, first + this.count);
    const key = [shown.join(), first, this.list.length, this.size].join();
    if (key !== this.laid || this.selection.says !== this.laidFor || this.bench.sheet !== this.laidFrom) {
      Object.assign(this, { laid: key, laidFor: this.selection.says, laidFrom: this.bench.sheet });
      this.sheet.replaceChildren(...shown.map((index, i) => {
        const name = this.#name(index);
        const sign = this.selection.isWrong(index) ? html("span", { class: "dst-wrong", "aria-hidden": "true" }, "≠") : null;
        const place = { "aria-posinset": first + i + 1, "aria-setsize": this.list.length };
        return html("button", { type: "button", role: "radio", "aria-label": name, title: name, ...place, onclick: () => this.#pick(first + i) }, this.bench.picture(index, this.size), sign);
      }));
    }
    const at = this.isChosen ? shown.indexOf(this.bench.index) : -1;
    [...this.sheet.children].forEach((button, i) => attributes(button, { "aria-checked": String(i === at), tabindex: i === Math.max(0, at) ? 0 : -1 }));
    if (focused) this.sheet.children[Math.max(0, at)]?.focus();
  }
  #layPlane(theme, at) {
    const { bench } = this;
    const key = [this.current, this.label, this.width, theme.dark].join();
    if (key !== this.planned || this.selection.says !== this.plannedFor || bench.points !== this.plannedFrom) {
      Object.assign(this, { planned: key, plannedFor: this.selection.says, plannedFrom: bench.points });
      this.scatter.lay(bench, this.list, theme, this.width);
    }
    const spoken = this.#name(bench.index, ["teacher", "student"]);
    this.scatter.mark(bench.index, at, spoken, this.isChosen);
    const filter = `${SHOWS[this.current].toLowerCase()}${this.select.value === "none" ? "" : `, labelled ${this.label}`}`;
    const drawn = `Scatter plot of ${bench.points.length} examples of ${bench.classes.length} classes, ${this.list.length} of them strong: ${filter}.`;
    this.scatter.figure.describe(this.isChosen ? `${drawn} Chosen: ${spoken}.` : drawn);
  }
  #layPager(at, pictures) {
    const total = this.list.length;
    const first = this.page * this.count;
    const last = Math.min(total, first + this.count);
    this.pager.hidden = total === 0;
    write(this.range, pictures ? `${first + 1}–${last} of ${total}` : at < 0 ? String(total) : `${at + 1} of ${total}`);
    const ends = pictures ? [first === 0, last === total] : [at === 0 || total === 0, at === total - 1];
    this.turns.forEach((button, i) => attributes(button, { "aria-disabled": String(ends[i]), "aria-label": `${button.textContent} ${pictures ? "page" : "example"}` }));
    this.legend.hidden = !pictures || !this.selection.lists.student_wrong;
    attributes(this.surprise, { "aria-disabled": String(this.#others.length === 0) });
    write(this.chosen, this.isChosen ? `Chosen: ${this.#name(this.bench.index, ["teacher", "student"])}.` : "");
  }
  #name(index, roles = ["student"]) {
    const { classes, points } = this.bench;
    const { labels, says } = this.selection;
    const place = points ? ` at (${points[index].map((value) => digits(value).replace("-", "−")).join(", ")})` : "";
    const answers = roles.filter((role) => says[role]).map((role) => `${role} says ${classes[says[role][index]]}`);
    return `${this.bench.title(index)}${place}, labelled ${classes[labels[index]]}${answers.length ? `; ${answers.join(", ")}` : ""}`;
  }
  #numbers() {
    const { points, classes } = this.bench;
    const { labels, says } = this.selection;
    const roles = Object.keys(says).filter((role) => says[role]);
    return {
      columns: ["example", "x", "y", "label", ...roles.map((role) => `${role} says`)],
      rows: this.list.map((i) => [this.bench.title(i), ...points[i], classes[labels[i]], ...roles.map((role) => classes[says[role][i]])]),
    };
  }

  // --- choosing -----------------------------------------------------------------------------------------------------

  // at: a position in the filtered list. A key that is held down tells Python where it came to rest.
  #pick(at, isHeld = false) {
    const index = this.list[at];
    if (index === undefined) return;
    this.bench.choose(index);
    clearTimeout(this.rest);
    if (isHeld) this.rest = setTimeout(() => this.tell("image", index), 300);
    else this.tell("image", index);
  }
  #filter(name, value) {
    this[name === "class" ? "label" : name] = value;
    this.tell(name, value);
    this.draw();
  }
  get #others() {
    return this.list.map((_, at) => at).filter((at) => this.list[at] !== this.bench.index);
  }
  #surprise() {
    const others = this.#others;
    this.#pick(others[Math.floor(Math.random() * others.length)]);
  }
  #turn(step) {
    if (this.bench.points) this.#pick(this.#from(step));
    else this.page += step;
    this.draw();
  }
  // Where a step leads in the filtered list. A chosen example that the filter leaves out is stepped into from the page.
  #from(step, start = 0) {
    const at = this.list.indexOf(this.bench.index);
    return Math.max(0, Math.min(at < 0 ? start : at + step, this.list.length - 1));
  }
  #press(event) {
    const row = this.bench.points ? 1 : this.columns;
    const step = { ArrowLeft: -1, ArrowUp: -row, ArrowRight: 1, ArrowDown: row, Home: -Infinity, End: Infinity }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const to = this.#from(step, this.page * this.count);
    // Up from the first row or down from the last stays where it is.
    const at = this.list.indexOf(this.bench.index);
    if (row === 1 || Math.abs(step) !== row || at < 0 || to - at === step) this.#pick(to, event.repeat);
  }
  destroy() {
    clearTimeout(this.rest);
    super.destroy();
  }
}

export default mounting(Gallery);
