// The frame of every figure: the drawing with its text alternative, its numbers as a table, and both to take home.

class Figure {
  // name: of the files; numbers: () => {columns: [text], rows: [[text or number]]}, with every digit there is
  constructor(name, numbers) {
    this.name = name;
    this.numbers = numbers;
    this.chart = svg("svg", { role: "img" });
    this.caption = html("figcaption", { class: "dst-caption" });
    this.stage = html("div", { class: "dst-stage" }, this.chart);
    this.table = html("div", { class: "dst-numbers", hidden: true, tabindex: 0, role: "region", "aria-label": "The numbers of this figure" });
    this.toggle = toolButton("Table", "Show the numbers as a table", () => this.#show());
    this.tools = html("div", { class: "dst-tools" }, this.toggle,
      toolButton("CSV", "Save the numbers as CSV", () => this.#saveNumbers()),
      toolButton("SVG", "Save the figure as SVG", () => saveDrawing(this.name, this.#drawing())),
      toolButton("PNG", "Save the figure as PNG", () => savePicture(this.name, this.#drawing(), this.#size)));
    this.node = html("figure", { class: "dst-figure" }, this.stage, this.caption, this.tools, this.table);
  }

  size(width, height) {
    attributes(this.chart, { width, height, viewBox: `0 0 ${width} ${height}` });
  }
  // The text alternative: what a reader would say of the drawing, with its numbers. The caption says it in short.
  describe(text, caption = "") {
    attributes(this.chart, { "aria-label": text });
    write(this.caption, caption);
    if (this.table.hidden) return;
    clearTimeout(this.later); // a table is read, not watched: it follows when the figure has come to rest
    this.later = setTimeout(() => this.#fill(), 200);
  }

  #show() {
    this.table.hidden = !this.table.hidden;
    attributes(this.toggle, { "aria-expanded": String(!this.table.hidden) });
    if (!this.table.hidden) this.#fill();
  }
  #fill() {
    const { columns, rows } = this.numbers();
    const cell = (value) => (typeof value === "number" ? digits(value) : String(value ?? ""));
    this.table.replaceChildren(html("table", {},
      html("thead", {}, html("tr", {}, columns.map((name) => html("th", { scope: "col" }, name)))),
      html("tbody", {}, rows.map((row) => html("tr", {}, row.map((value) => html("td", {}, cell(value))))))));
  }

  #saveNumbers() {
    const { columns, rows } = this.numbers();
    const field = (value) => {
      const text = String(value ?? "");
      // A name that a spreadsheet would run as a formula is kept from it.
      const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
      return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
    };
    const text = [columns, ...rows].map((row) => row.map(field).join(",")).join("\n") + "\n";
    saveFile(this.name, "csv", new Blob(["\ufeff", text], { type: "text/csv" }));
  }
  // `prepare` may draw what is out of sight.
  #drawing() {
    this.prepare?.();
    return standalone(this.chart, this.finish);
  }
  get #size() {
    return { width: this.chart.width.baseVal.value, height: this.chart.height.baseVal.value };
  }
}
