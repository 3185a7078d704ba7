// Figure with a text alternative, a table of its data, and download of both.

import { html, setAttributes, setText, svg } from "../../shared/dom.js";
import { formatNumber } from "../../shared/format.js";
import { saveFile, savePng, saveSvg, standaloneSvg, toolButton } from "../../shared/widgets/export.js";

/** @typedef {{columns: string[], rows: (string | number)[][]}} Table */

const TABLE_DELAY = 200; // milliseconds without a change after which an open table is updated

export class Figure {
  /** Draws the invisible parts before an export. @type {(() => void) | undefined} */
  beforeExport = undefined;
  /** Adds the parts that are not SVG on the page to an exported copy. @type {((copy: Element) => void) | undefined} */
  afterClone = undefined;

  /**
   * @param {string} name of the downloaded files
   * @param {() => Table} table the data with all digits
   */
  constructor(name, table) {
    this.name = name;
    this.table = table;
    this.chart = svg("svg"); // an image once it has a text alternative
    this.caption = html("figcaption", { class: "dst-caption" });
    this.viewport = html("div", { class: "dst-viewport" }, this.chart);
    const region = { hidden: true, tabindex: 0, role: "region", "aria-label": "Data of this figure" };
    this.tableNode = html("div", { class: "dst-data-table", ...region });
    this.toggle = toolButton("Table", "Show the data as a table", () => this.#toggleTable());
    this.tools = html(
      "div",
      { class: "dst-tools" },
      this.toggle,
      toolButton("CSV", "Download the data as CSV", () => this.#saveCsv()),
      toolButton("SVG", "Download the figure as SVG", () => saveSvg(this.name, this.#svgText())),
      toolButton("PNG", "Download the figure as PNG", () => savePng(this.name, this.#svgText(), this.#size)),
    );
    this.node = html("figure", { class: "dst-figure" }, this.viewport, this.caption, this.tools, this.tableNode);
  }

  /**
   * @param {number} width
   * @param {number} height
   */
  size(width, height) {
    setAttributes(this.chart, { width, height, viewBox: `0 0 ${width} ${height}` });
  }

  /**
   * Set the text alternative, and a shorter form of it as caption.
   * @param {string} text
   * @param {string} [caption]
   */
  describe(text, caption = "") {
    const role = this.chart.getAttribute("role") ?? "img";
    if (this.chart.getAttribute("aria-label") !== text) setAttributes(this.chart, { role, "aria-label": text });
    setText(this.caption, caption);
    if (this.tableNode.hidden) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#fillTable(), TABLE_DELAY);
  }

  #toggleTable() {
    this.tableNode.hidden = !this.tableNode.hidden;
    setAttributes(this.toggle, { "aria-expanded": String(!this.tableNode.hidden) });
    if (!this.tableNode.hidden) this.#fillTable();
  }
  #fillTable() {
    const { columns, rows } = this.table();
    const cell = (/** @type {string | number} */ value) =>
      html("td", {}, typeof value === "number" ? formatNumber(value) : String(value ?? ""));
    this.tableNode.replaceChildren(
      html(
        "table",
        {},
        html(
          "thead",
          {},
          html(
            "tr",
            {},
            columns.map((name) => html("th", { scope: "col" }, name)),
          ),
        ),
        html(
          "tbody",
          {},
          rows.map((row) => html("tr", {}, row.map(cell))),
        ),
      ),
    );
  }

  #saveCsv() {
    saveFile(this.name, "csv", new Blob(["\ufeff", csvText(this.table())], { type: "text/csv" }));
  }
  #svgText() {
    this.beforeExport?.();
    return standaloneSvg(this.chart, this.afterClone);
  }
  get #size() {
    return { width: this.chart.width.baseVal.value, height: this.chart.height.baseVal.value };
  }
}

/**
 * Return a table as CSV. An apostrophe keeps a spreadsheet from evaluating a text as a formula.
 * @param {Table} table
 */
export function csvText({ columns, rows }) {
  const field = (/** @type {string | number} */ value) => {
    const text = String(value ?? "");
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return `${[columns, ...rows].map((row) => row.map(field).join(",")).join("\n")}\n`;
}
