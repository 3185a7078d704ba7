// The frame of every figure: the drawing with its text alternative, its numbers as a table, and both to take home.

// What an exported drawing must carry itself, since it leaves the style sheet behind.
const CARRIED = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-opacity", "opacity", "font-family", "font-size", "font-weight", "text-anchor", "dominant-baseline", "visibility"];

class Figure {
  // name: of the files; numbers: () => {columns: [text], rows: [[text or number]]}, with every digit there is
  constructor(name, numbers) {
    this.name = name;
    this.numbers = numbers;
    this.chart = svg("svg", { role: "img" });
    this.caption = html("figcaption", { class: "dst-caption" });
    this.stage = html("div", { class: "dst-stage" }, this.chart);
    this.table = html("div", { class: "dst-numbers", hidden: true, tabindex: 0, role: "region", "aria-label": "The numbers of this figure" });
    const button = (text, label, act) => html("button", { type: "button", "aria-label": label, onclick: act }, text);
    this.toggle = button("Table", "Show the numbers as a table", () => this.#show());
    this.tools = html("div", { class: "dst-tools" }, this.toggle,
      button("CSV", "Save the numbers as CSV", () => this.#saveNumbers()),
      button("SVG", "Save the figure as SVG", () => this.#saveDrawing()),
      button("PNG", "Save the figure as PNG", () => this.#savePicture()));
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
    this.#save(new Blob(["\ufeff", [columns, ...rows].map((row) => row.map(field).join(",")).join("\n") + "\n"], { type: "text/csv" }), "csv");
  }
  // The drawing by itself: own background, own styles. `prepare` may draw what is out of sight, `finish` may add to the
  // copy what is not SVG on the page.
  #drawing() {
    this.prepare?.();
    const copy = this.chart.cloneNode(true);
    const originals = [this.chart, ...this.chart.querySelectorAll("*")];
    const copies = [copy, ...copy.querySelectorAll("*")];
    originals.forEach((node, i) => {
      const style = getComputedStyle(node);
      for (const property of CARRIED) copies[i].style.setProperty(property, style.getPropertyValue(property));
    });
    this.finish?.(copy);
    const theme = readTheme(this.node);
    copy.prepend(svg("rect", { width: "100%", height: "100%", fill: theme.background }));
    copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    copy.prepend(svg("title", {}, this.chart.getAttribute("aria-label") ?? ""));
    return new XMLSerializer().serializeToString(copy);
  }
  #saveDrawing() {
    this.#save(new Blob([this.#drawing()], { type: "image/svg+xml" }), "svg");
  }
  async #savePicture() {
    const image = new Image();
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(this.#drawing())}`;
    await image.decode();
    const canvas = html("canvas", { width: 2 * this.chart.width.baseVal.value, height: 2 * this.chart.height.baseVal.value });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => this.#save(blob, "png"));
  }
  #save(blob, kind) {
    const address = URL.createObjectURL(blob);
    html("a", { href: address, download: `distillery-${this.name}.${kind}` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  }
}
