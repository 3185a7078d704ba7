// Who teaches whom: the networks of a run, phase by phase, and the lines along which they learn from each other.
//
// Payload: sentence (for readers of the screen), columns [{title, note, nodes [{id, role, kind, look, network, state, sees,
// taught, lane ("base", "main", "made" or "baseline"), own, stack}]}], edges [{kind ("teaches", "goes on", "made of" or
// "shares"), from [ids], to, said}].

const LINES = { teaches: 2, "goes on": 1.25, "made of": 1.25, shares: 5 };

// A stack is of networks that have a colour each, so it has none.
const colourOf = (node, theme) => (node.stack ? theme.soft : theme.role(node.look).colour);

class Arrangement {
  #width = 0;
  #drawn = "";

  constructor(root) {
    this.root = root;
    root.classList.add("dst-arrangement");
    this.picture = svg("svg", { role: "img" });
    this.legend = html("p", { class: "dst-legend", "aria-hidden": "true" });
    root.append(this.picture, this.legend);
    this.draw = redrawing(() => this.#draw(), "arrangement");
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
    if (!this.#width || !this.facts?.columns) return;
    const theme = readTheme(this.root);
    const key = JSON.stringify([this.facts, this.#width, theme.ink, theme.font]);
    if (key === this.#drawn) return;
    this.#drawn = key;
    this.theme = theme;
    const look = {
      font: (size, weight = 400) => `${weight} ${size}px ${theme.font}`,
      glyph: (node) => (node.lane === "base" ? "" : theme.role(node.look).glyph),
      colour: (node) => colourOf(node, theme),
      neutral: theme.soft, // of what several share
    };
    const { width, height, headings, boxes, lines, labels } = inColumns(this.facts, this.#width, look) ?? inList(this.facts, this.#width, look);
    attributes(this.picture, { width, height, viewBox: `0 0 ${width} ${height}`, "aria-label": this.facts.sentence });
    this.picture.replaceChildren(
      ...headings.map((heading) => this.#heading(heading)),
      ...lines.map((line) => this.#line(line)),
      ...boxes.flatMap((box) => this.#box(box)),
      ...lines.flatMap((line) => line.ends.map((end) => this.#head(line, end))),
      ...labels.flatMap(({ x, y, anchor, lines: said }) => said.map((text, i) => svg("text", { class: "dst-quiet dst-over", x, y: y + 14 * i, "text-anchor": anchor }, text))),
    );
    this.#explain();
  }

  #heading({ x, y, anchor, title, lines }) {
    const start = title ? y + 17 : y;
    return svg(
      "g", {},
      title ? svg("text", { class: "dst-phase", x, y, "text-anchor": anchor }, title) : null,
      ...lines.map((line, i) => svg("text", { class: "dst-quiet", x, y: start + ROW * i, "text-anchor": anchor }, line)),
    );
  }

  #line({ kind, d, colour }) {
    return svg("path", { class: `dst-way dst-way-${kind.replace(" ", "-")}`, d, "stroke-width": LINES[kind], ...(colour ? { style: `stroke: ${colour}` } : {}) });
  }

  // The head of an arrow: full where one teaches, open where a network goes on or becomes part of another.
  #head({ kind, colour }, { x, y, back }) {
    const size = kind === "teaches" ? 8 : 6;
    const from = back ? x + size : x - size;
    const d = `M${from} ${y - 0.6 * size}L${x} ${y}L${from} ${y + 0.6 * size}`;
    if (kind === "teaches") return svg("path", { d: `${d}Z`, fill: colour });
    return svg("path", { class: "dst-way", d, "stroke-width": 1.25 });
  }

  #box({ node, x, y, width, height, title, rest, anchor = "middle" }) {
    const look = this.theme.role(node.look);
    const isBase = node.lane === "base";
    const isFrozen = node.state.includes("frozen");
    const dash = node.kind === "baseline" ? "1.5 4" : isFrozen ? "7 5" : "none";
    const round = node.kind === "teacher" ? 3 : 12; // squares and circles, as their markers
    const place = { x, y, width, height, rx: isBase ? 4 : round };
    const stroke = isBase ? "var(--faint)" : colourOf(node, this.theme);
    const paint = { stroke, "stroke-width": node.lane === "made" || isBase ? 1.25 : 2, "stroke-dasharray": dash, "stroke-linecap": node.kind === "baseline" ? "round" : "butt" };
    const textX = anchor === "middle" ? x + width / 2 : x + 12;
    const line = (text, i, kind, mark) => svg("text", { class: kind, x: textX, y: y + 7 + ROW * (i + 0.78), "text-anchor": anchor }, mark, text);
    const glyph = isBase ? "" : look.glyph;
    return [
      ...(node.stack ? [8, 4].map((by) => svg("rect", { ...place, x: x + by, y: y + by, fill: "var(--paper)", ...paint, "stroke-width": 1.25 })) : []),
      svg(
        "g", { class: `dst-node dst-node-${node.lane}`, "data-role": node.role },
        svg("rect", { ...place, fill: "var(--paper)" }),
        svg("rect", { ...place, fill: stroke, "fill-opacity": node.lane === "baseline" || node.lane === "made" || isBase ? 0 : 0.07, ...paint }),
        ...title.map((text, i) => line(i ? text : text.slice(glyph.length), i, "dst-net", i || !glyph ? null : svg("tspan", { fill: stroke }, glyph))),
        ...rest.map((text, i) => line(text, title.length + i, "dst-quiet", null)),
      ),
    ];
  }

  // What the lines mean, of those that are there.
  #explain() {
    const { columns, edges } = this.facts;
    const nodes = columns.flatMap((column) => column.nodes);
    const has = (kind) => edges.some((edge) => edge.kind === kind);
    const said = [
      [has("teaches"), "→ teaches"],
      [nodes.some(({ state }) => state.includes("frozen")), "- - - frozen while it teaches"],
      [true, "— learns"],
      [nodes.some(({ kind }) => kind === "baseline"), "···· baseline"],
      [has("goes on"), "› goes on with the same weights"],
      [has("made of"), "› is made of them, not trained"],
      [has("shares"), "▬ shared layers"],
    ];
    this.legend.replaceChildren(...said.filter(([is]) => is).map(([, text]) => html("span", {}, text)));
  }

  destroy() {
    this.draw.cancel();
    this.unwatch();
  }
}

export default mounting(Arrangement);
