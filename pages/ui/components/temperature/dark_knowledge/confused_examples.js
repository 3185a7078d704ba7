// The examples behind one cell: those of its true class to which the teacher gives most of the answered class.
const MOST_IMAGES = 12;

class Confused {
  #order = "";
  #shape = "";
  #parts = new Map();

  // chosen: at another cell; image: at an example
  constructor({ chosen, image }) {
    this.image = image;
    const choose = () => this.selects.every(({ value }) => value) && chosen(this.selects.map(({ value }) => Number(value)));
    this.selects = ["True class", "Answered class"].map((name) => html("select", { "aria-label": name, onchange: choose }));
    this.list = html("div", { class: "dst-confused-list" });
    this.note = html("p", { class: "dst-soft" });
    const [truth, answer] = this.selects;
    const head = html("div", { class: "dst-confused-head" }, html("span", {}, "Examples of a true"), truth, html("span", {}, "and what they get of"), answer);
    this.node = html("div", { class: "dst-confused" }, head, this.note, this.list);
  }

  draw(theme, bench, cell) {
    const { classes, roles, labels } = bench;
    this.#choices(classes, cell);
    const softened = Object.fromEntries(roles.map((role) => [role, bench.logp(role)]));
    const [c, k] = cell ?? [-1, -1];
    const at = (role, index) => softened[role][index * classes.length + k];
    const all = cell ? labels.flatMap((label, index) => (label === c ? [index] : [])) : [];
    const ranked = all.sort((a, b) => at(roles[0], b) - at(roles[0], a) || a - b).slice(0, MOST_IMAGES);
    const shape = [bench.shown, bench.moment, roles.join(), theme.dark].join();
    if (shape !== this.#shape || this.source !== (bench.sheet ?? bench.points)) this.#parts.clear();
    [this.#shape, this.source] = [shape, bench.sheet ?? bench.points];
    const parts = ranked.map((index) => [index, this.#part(index, bench, theme)]);
    this.#arrange(parts.map(([, { node }]) => node), `${shape} ${ranked}`);
    for (const [index, { node, values }] of parts) {
      for (const role of roles) write(values[role], part(Math.exp(at(role, index))));
      attributes(node, { "aria-pressed": String(bench.index === index && !bench.given) });
    }
    const many = `${ranked.length} of ${all.length} examples, those to which the ${roles[0]} gives most of ${classes[k]} first. Choose one to look at it closely.`;
    write(this.note, !cell ? "Choose a cell of the map, or two classes here." : all.length ? many : `No example is a true ${classes[c]}.`);
  }

  #choices(classes, cell) {
    const key = JSON.stringify(classes);
    const options = () => [html("option", { value: "" }, "–"), ...classes.map((name, k) => html("option", { value: k }, name))];
    if (key !== this.classes) for (const select of this.selects) select.replaceChildren(...options());
    if (key !== this.classes || String(cell) !== this.shown) this.selects.forEach((select, i) => (select.value = cell ? cell[i] : ""));
    [this.classes, this.shown] = [key, String(cell)];
  }

  #part(index, bench, theme) {
    if (!this.#parts.has(index)) {
      const values = Object.fromEntries(bench.roles.map((role) => [role, document.createTextNode("")]));
      const line = (role) => {
        const { glyph, name, colour } = theme.role(role);
        const mark = html("i", { style: `color: ${colour}`, "aria-hidden": "true" }, glyph);
        return html("span", { class: "dst-confused-value" }, mark, html("span", { class: "dst-hidden-text" }, ` ${name} `), values[role]);
      };
      const title = html("span", { class: "dst-hidden-text" }, bench.title(index));
      const node = html("button", { type: "button", onclick: () => this.image(index) }, bench.picture(index, 48), title, bench.roles.map(line));
      this.#parts.set(index, { node, values });
    }
    return this.#parts.get(index);
  }
  // The order follows the temperature; whoever has the focus keeps it.
  #arrange(nodes, order) {
    if (order === this.#order) return;
    this.#order = order;
    const focused = this.list.getRootNode().activeElement;
    this.list.replaceChildren(...nodes);
    if (focused && nodes.includes(focused)) focused.focus({ preventScroll: true });
  }
}
