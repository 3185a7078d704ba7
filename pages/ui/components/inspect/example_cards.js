// Examples as cards: the picture or the place in the plane, the true class, and what every network says. One is chosen.
//
// Payload: cards [{at, src, x, y, true, said: [[role, class, share, is right]]}], extent [x0, x1, y0, y1] (of points),
// names {role}, chosen (an at). Sets the state chosen.

const SPOT = 64; // size of the drawn plane

class Cards {
  #cards = [];
  #incoming;
  #drawn = "";

  constructor(root) {
    root.classList.add("dst-cards");
    this.root = root;
    this.node = html("div", { class: "dst-deck", role: "radiogroup", "aria-label": "Examples", onkeydown: (event) => this.#key(event) });
    this.empty = html("p", { class: "dst-empty" });
    root.append(this.empty, this.node);
  }

  update(data, { setStateValue }) {
    this.setStateValue = setStateValue;
    this.spec = data;
    this.#cards = data.cards ?? [];
    if (data.chosen !== this.#incoming || !this.#cards.some(({ at }) => at === this.chosen)) this.chosen = data.chosen;
    this.#incoming = data.chosen;
    this.empty.hidden = this.#cards.length > 0;
    this.node.hidden = this.#cards.length === 0;
    write(this.empty, data.empty ?? "There is no such example.");
    const theme = readTheme(this.root);
    const drawn = JSON.stringify([data.cards, data.names, theme.dark]);
    if (drawn !== this.#drawn) {
      this.#drawn = drawn;
      this.node.replaceChildren(...this.#cards.map((card) => this.#card(card, theme)));
    }
    this.#mark();
  }

  #card({ at, src, x, y, true: label, said }, theme) {
    const name = (role) => this.spec.names?.[role] ?? theme.role(role).name;
    const spoken = said.map(([role, answer, share]) => `${name(role)} ${answer}, ${percent(share)}`).join("; ");
    const rows = said.map(([role, answer, share, right]) =>
      html(
        "span",
        { class: right ? "dst-right" : "dst-wrong", title: `${name(role)}: ${answer}, ${right ? "right" : "wrong"}` },
        html("i", { style: `color: ${theme.role(role).colour}` }, theme.role(role).glyph),
        html("b", {}, answer),
        html("small", {}, `${Math.round(100 * share)}%`),
      ),
    );
    return html(
      "button",
      { type: "button", role: "radio", "aria-label": `Example ${at}, true class ${label}: ${spoken}`, onclick: () => this.#choose(at) },
      src ? html("img", { src, alt: "", draggable: "false", loading: "lazy" }) : this.#spot(x, y, theme),
      html("span", { class: "dst-true" }, html("i", {}, "✕"), html("b", {}, label)),
      rows,
    );
  }

  #spot(x, y, theme) {
    const [x0, x1, y0, y1] = this.spec.extent ?? [-1, 1, -1, 1];
    const [cx, cy] = [((x - x0) / (x1 - x0)) * SPOT, SPOT - ((y - y0) / (y1 - y0)) * SPOT];
    return html(
      "span",
      { class: "dst-spot" },
      svg("svg", { viewBox: `0 0 ${SPOT} ${SPOT}`, "aria-hidden": "true" },
        svg("line", { x1: cx, x2: cx, y1: 0, y2: SPOT, stroke: theme.rule }),
        svg("line", { x1: 0, x2: SPOT, y1: cy, y2: cy, stroke: theme.rule }),
        svg("circle", { cx, cy, r: 4, fill: theme.ink })),
      html("small", {}, `${x.toFixed(2)}, ${y.toFixed(2)}`),
    );
  }

  #mark() {
    [...this.node.children].forEach((button, i) => {
      const is = this.#cards[i].at === this.chosen;
      attributes(button, { "aria-checked": String(is), tabindex: is ? 0 : -1 });
    });
  }
  #choose(at) {
    if (at === this.chosen) return;
    this.chosen = at;
    this.#mark();
    this.setStateValue("chosen", at);
  }
  #key(event) {
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const count = this.#cards.length;
    const next = (this.#cards.findIndex(({ at }) => at === this.chosen) + step + count) % count;
    this.#choose(this.#cards[next].at);
    this.node.children[next].focus();
  }
  destroy() {}
}

export default mounting(Cards);
