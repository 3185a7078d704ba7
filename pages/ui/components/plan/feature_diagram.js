// What is matched where: two networks side by side, from the input down to the logits, and what joins their places.
//
// Payload: sentence (for readers of the screen), input (a shape), between (on what lies between them), student and
// teacher {name, note, taps [{name, shape, values, level, of (whose it is, if not its own)}]}, links [{student, teacher
// (a tap, or "labels"), kind ("matched", "idle", "soft", "labels"), student_adaptor, teacher_adaptor}]. Taps on the same
// level stand side by side.

const SIDES = ["teacher", "student"]; // from left to right, as on every page
const WIDEST = 860;
const SLIM = 560; // below this, two adaptors of one place stand below each other
const BOX = 46;
const GAP = 16;
const LINE = 15; // of an adaptor's text
const MOST = 4; // lines of an adaptor

class Matching {
  #width = 0;
  #drawn = "";

  constructor(root) {
    this.root = root;
    root.classList.add("dst-matching");
    this.picture = svg("svg", { role: "img" });
    root.append(this.picture);
    this.draw = redrawing(() => this.#draw(), "matching");
    this.unwatch = watchWidth(root, (width) => {
      this.#width = width;
      this.draw();
    });
  }

  update(data) {
    this.facts = data;
    this.draw();
  }

  #draw() {
    if (!this.#width || !this.facts?.student) return;
    const theme = readTheme(this.root);
    const key = JSON.stringify([this.facts, this.#width, theme.ink, theme.font]);
    if (key === this.#drawn) return;
    this.#drawn = key;
    this.theme = theme;
    this.#measure();
    const { picture, facts } = this;
    attributes(picture, { width: this.width, height: this.height, viewBox: `0 0 ${this.width} ${this.height}`, "aria-label": facts.sentence });
    picture.replaceChildren(
      ...SIDES.map((role) => this.#heading(role)),
      this.#note(),
      ...SIDES.map((role) => this.#flow(role)),
      this.#input(),
      ...facts.links.map((link) => this.#link(link)),
      ...SIDES.flatMap((role) => facts[role].taps.map((tap) => this.#tap(role, tap))),
      ...facts.links.flatMap((link) => [...this.#ends(link), ...this.#adaptors(link)]),
      ...(this.#hasLabels ? [this.#labels()] : []),
    );
  }

  font(size, weight = 400) {
    return `${weight} ${size}px ${this.theme.font}`;
  }
  get #hasLabels() {
    return this.facts.links.some(({ teacher }) => teacher === "labels");
  }

  // Columns, and how high each level must be for what stands on it.
  #measure() {
    const { links, student, teacher } = this.facts;
    this.width = Math.min(WIDEST, this.#width);
    this.column = Math.max(86, Math.min(190, 0.27 * this.width));
    this.x = { teacher: this.column / 2 + 1, student: this.width - this.column / 2 - 1, middle: this.width / 2 };
    const isSlim = this.width < SLIM;
    const room = this.width - 2 * this.column - (isSlim ? 20 : 2 * GAP);
    const count = 1 + Math.max(...[...student.taps, ...teacher.taps].map(({ level }) => level));
    const heights = new Array(count).fill(BOX);
    this.adaptors = new Map();
    for (const link of links) {
      const sides = SIDES.filter((role) => link[`${role}_adaptor`]);
      if (!sides.length) continue;
      const width = isSlim ? room : Math.min(250, (room - 40) / sides.length - 12);
      const boxes = sides.map((role) => {
        const text = link[`${role}_adaptor`];
        const whose = sides.length > 1 && isSlim ? `${this.theme.role(role).glyph}\u00a0` : "";
        const lines = wrapped(whose + joined(text), this.font(12), width - 16, MOST);
        const widest = Math.max(...lines.map((line) => measure(line, this.font(12))));
        return { role, text, lines, width: Math.min(width, widest + 20), height: lines.length * LINE + 12 };
      });
      const high = isSlim ? boxes.reduce((sum, { height }) => sum + height + 6, -6) : Math.max(...boxes.map(({ height }) => height));
      this.adaptors.set(link, { boxes, high, isSlim });
      const level = this.#level("student", link.student);
      heights[level] = Math.max(heights[level], high);
    }
    const note = (text, width) => wrapped(text, this.font(12), width, MOST);
    this.notes = {
      between: note(this.facts.between, Math.min(300, this.width - 2 * this.column - 6)),
      teacher: note(teacher.note, this.column),
      student: note(student.note, this.column),
    };
    this.headings = 32 + LINE * Math.max(2, this.notes.between.length - 1, 1 + this.notes.teacher.length, 1 + this.notes.student.length);
    let top = this.headings + BOX + 22;
    this.middles = heights.map((height) => {
      const middle = top + height / 2;
      top += height + GAP;
      return middle;
    });
    this.labelsAt = top + 24;
    this.height = this.#hasLabels ? this.labelsAt + 20 : top - GAP + 4;
  }

  #level(role, name) {
    return this.facts[role].taps.find((tap) => tap.name === name).level;
  }
  #y(role, name) {
    return this.middles[this.#level(role, name)];
  }
  // The more numbers a place holds, the wider its box, on a logarithmic scale.
  #boxWidth(tap) {
    const most = Math.max(...SIDES.flatMap((role) => this.facts[role].taps.map(({ values }) => values)));
    const least = Math.min(94, 0.94 * this.column);
    return least + (this.column - least) * (Math.log(tap.values + 1) / Math.log(most + 1)) ** 1.5;
  }
  #widthAt(role, name) {
    return this.#boxWidth(this.facts[role].taps.find((tap) => tap.name === name));
  }
  #isMatched(role, name) {
    return this.facts.links.some((link) => link[role] === name && link.kind !== "idle");
  }

  #heading(role) {
    const { name } = this.facts[role];
    const look = this.theme.role(role);
    const x = this.x[role];
    return svg(
      "g", {},
      svg("text", { class: "dst-net", x, y: 16 }, svg("tspan", { fill: look.colour }, `${look.glyph} `), look.name),
      svg("text", { class: "dst-quiet", x, y: 34 }, cut(name, this.font(12), this.column)),
      ...this.#quiet(this.notes[role], x, 50),
    );
  }

  // What becomes of the adaptors, between the two headings.
  #note() {
    return svg("g", {}, ...this.#quiet(this.notes.between, this.x.middle, 16));
  }
  #quiet(lines, x, y) {
    return lines.map((line, i) => svg("text", { class: "dst-quiet", x, y: y + i * LINE }, line));
  }

  #flow(role) {
    const x = this.x[role];
    const end = this.#y(role, this.facts[role].taps.at(-1).name);
    return svg("path", { class: "dst-flow", d: `M${this.x.middle} ${this.headings + BOX / 2}H${x}V${end}` });
  }

  #plain(x, y, width, name, shape) {
    return svg(
      "g", { class: "dst-plain" },
      svg("rect", { x: x - width / 2, y: y - (shape ? BOX / 2 : 16), width, height: shape ? BOX : 32, rx: 6 }),
      svg("text", { x, y: shape ? y - 3 : y + 5 }, name),
      shape ? svg("text", { class: "dst-quiet", x, y: y + 14 }, shape) : null,
    );
  }
  #input() {
    return this.#plain(this.x.middle, this.headings + BOX / 2, 92, "input", this.facts.input);
  }
  #labels() {
    return this.#plain(this.x.middle, this.labelsAt, 92, `${this.theme.role("labels").glyph} labels`, "");
  }

  #tap(role, tap) {
    const look = this.theme.role(tap.of ?? role);
    const x = this.x[role];
    const y = this.middles[tap.level];
    const width = this.#boxWidth(tap);
    const isMatched = this.#isMatched(role, tap.name);
    const paint = { stroke: look.colour, "stroke-width": isMatched ? 2 : 1.25, "stroke-dasharray": look.dash === "solid" ? "none" : "6 4", "stroke-opacity": isMatched ? 1 : 0.5 };
    return svg(
      "g", { class: isMatched ? "dst-place" : "dst-place dst-pale" },
      svg("rect", { x: x - width / 2, y: y - BOX / 2, width, height: BOX, rx: 6, fill: "var(--paper)" }),
      svg("rect", { x: x - width / 2, y: y - BOX / 2, width, height: BOX, rx: 6, fill: look.colour, "fill-opacity": isMatched ? 0.1 : 0, ...paint }),
      svg("text", { class: "dst-tap", x, y: y - 3 }, cut(tap.name, this.font(13, 600), width - 8)),
      svg("text", { class: "dst-quiet", x, y: y + 14 }, cut(tap.shape, this.font(12), width - 6)),
    );
  }

  // Where a line begins and ends. Two lines between the same places run one above the other.
  #course(link) {
    const { student, teacher, kind } = link;
    const isShared = this.facts.links.some((other) => other !== link && other.student === student && other.teacher === teacher);
    const shift = isShared ? (kind === "soft" ? 8 : -8) : 0;
    return {
      shift,
      teacher: { x: this.x.teacher + this.#widthAt("teacher", teacher) / 2, y: this.#y("teacher", teacher) + shift },
      student: { x: this.x.student - this.#widthAt("student", student) / 2, y: this.#y("student", student) + shift },
    };
  }
  #link(link) {
    const path = (d) => svg("path", { class: `dst-link dst-link-${link.kind}`, d });
    if (link.teacher === "labels") return path(`M${this.x.student} ${this.#y("student", link.student)}V${this.labelsAt}H${this.x.middle}`);
    const { teacher, student, shift } = this.#course(link);
    const said = { soft: "soft targets", idle: "weight 0" }[link.kind];
    const y = (teacher.y + student.y) / 2 + (shift > 0 ? 17 : -7);
    return svg(
      "g", {},
      path(`M${teacher.x} ${teacher.y}L${student.x} ${student.y}`),
      said ? svg("text", { class: "dst-quiet dst-over", x: this.x.middle, y }, said) : null,
    );
  }
  // The markers of both networks, on the edges of their boxes.
  #ends(link) {
    if (link.kind !== "matched" || link.teacher === "labels") return [];
    const { teacher, student } = this.#course(link);
    return [
      svg("rect", { x: teacher.x - 4, y: teacher.y - 4, width: 8, height: 8, fill: this.theme.role("teacher").colour }),
      svg("circle", { cx: student.x, cy: student.y, r: 4.5, fill: this.theme.role("student").colour }),
    ];
  }

  #adaptors(link) {
    const found = this.adaptors.get(link);
    if (!found) return [];
    const { boxes, high, isSlim } = found;
    const middle = (this.#y("student", link.student) + this.#y("teacher", link.teacher)) / 2;
    const across = boxes.reduce((sum, { width }) => sum + width + 24, -24);
    let x = this.x.middle - across / 2;
    let y = middle - high / 2;
    return boxes.map(({ role, text, lines, width, height }) => {
      const left = isSlim ? this.x.middle - width / 2 : x;
      const top = isSlim ? y : middle - height / 2;
      x += width + 24;
      y += height + 6;
      return svg(
        "g", { class: "dst-adaptor", "data-of": role },
        svg("title", {}, text),
        svg("rect", { x: left, y: top, width, height, rx: 4, stroke: this.theme.role("student").colour }),
        ...lines.map((line, i) => svg("text", { x: left + width / 2, y: top + 6 + LINE * (i + 0.78) }, line)),
      );
    });
  }

  destroy() {
    this.draw.cancel();
    this.unwatch();
  }
}

export default mounting(Matching);
