// Examples of one cell of the heat map, of its true class and sorted by the probability of its predicted class.

import { html, setAttributes, setText } from "../../shared/dom.js";
import { formatProbability } from "./format_probability.js";

/** @typedef {import("../../shared/theme.js").Theme} Theme */
/** @typedef {import("../shared/store.js").TemperatureStore} TemperatureStore */
/** @typedef {{node: HTMLButtonElement, values: Record<string, Text>}} Card */

const MAX_EXAMPLES = 12;

export class ConfusedExamples {
  #order = "";
  #shape = "";
  /** @type {Map<number, Card>} */
  #cards = new Map();
  /** @type {unknown} */
  #images = null;
  #options = "";
  #cell = "";

  /** @param {{onCell: (cell: number[]) => void, onExample: (index: number) => void}} listeners */
  constructor({ onCell, onExample }) {
    this.onExample = onExample;
    const choose = () => {
      const values = this.selects.map(({ value }) => value);
      if (values.every((value) => value)) onCell(values.map(Number));
    };
    this.selects = ["True class", "Predicted class"].map((name) =>
      html("select", { "aria-label": name, onchange: choose }),
    );
    this.list = html("div", { class: "dst-confused-list" });
    this.note = html("p", { class: "dst-muted" });
    const [trueClass, predictedClass] = this.selects;
    const [start, middle] = ["Examples of class", "and their probability of class"].map((text) =>
      html("span", {}, text),
    );
    const header = html("div", { class: "dst-confused-head" }, start, trueClass, middle, predictedClass);
    this.node = html("div", { class: "dst-confused" }, header, this.note, this.list);
  }

  /**
   * @param {Theme} theme
   * @param {TemperatureStore} store
   * @param {number[] | null} cell true and predicted class
   */
  draw(theme, store, cell) {
    const { classes, roles, labels } = store;
    this.#updateOptions(classes, cell);
    const logp = Object.fromEntries(roles.map((role) => [role, store.softened(role).logp]));
    const [c, k] = cell ?? [-1, -1];
    const logpOf = (/** @type {string} */ role, /** @type {number} */ index) => logp[role][index * classes.length + k];
    const all = cell ? labels.flatMap((label, index) => (label === c ? [index] : [])) : [];
    const ranked = all.sort((a, b) => logpOf(roles[0], b) - logpOf(roles[0], a) || a - b).slice(0, MAX_EXAMPLES);
    const shape = [store.split, store.snapshot, roles.join(), theme.dark].join();
    const images = store.sheet ?? store.points;
    if (shape !== this.#shape || this.#images !== images) this.#cards.clear();
    [this.#shape, this.#images] = [shape, images];
    const cards = ranked.map((index) => this.#card(index, store, theme));
    this.#arrange(
      cards.map(({ node }) => node),
      `${shape} ${ranked}`,
    );
    cards.forEach(({ node, values }, i) => {
      const index = ranked[i];
      for (const role of roles) setText(values[role], formatProbability(Math.exp(logpOf(role, index))));
      setAttributes(node, { "aria-pressed": String(store.index === index && !store.custom) });
    });
    const order = `sorted by the ${roles[0]}’s probability of ${classes[k]}`;
    const summary = `${ranked.length} of ${all.length} examples, ${order}. Choose one as input of this page.`;
    const hint = cell
      ? `There is no example of class ${classes[c]}.`
      : "Choose a cell of a heat map, or two classes here.";
    setText(this.note, all.length ? summary : hint);
  }

  /**
   * @param {string[]} classes
   * @param {number[] | null} cell
   */
  #updateOptions(classes, cell) {
    const key = JSON.stringify(classes);
    const isNew = key !== this.#options;
    const options = () => [
      html("option", { value: "" }, "–"),
      ...classes.map((name, k) => html("option", { value: k }, name)),
    ];
    if (isNew) for (const select of this.selects) select.replaceChildren(...options());
    if (isNew || String(cell) !== this.#cell) {
      this.selects.forEach((select, i) => {
        select.value = cell ? String(cell[i]) : "";
      });
    }
    [this.#options, this.#cell] = [key, String(cell)];
  }

  /**
   * @param {number} index
   * @param {TemperatureStore} store
   * @param {Theme} theme
   */
  #card(index, store, theme) {
    const cached = this.#cards.get(index);
    if (cached) return cached;
    /** @type {Record<string, Text>} */
    const values = Object.fromEntries(store.roles.map((role) => [role, document.createTextNode("")]));
    const line = (/** @type {string} */ role) => {
      const { glyph, name, colour } = theme.role(role);
      const mark = html("i", { style: `color: ${colour}`, "aria-hidden": "true" }, glyph);
      const hiddenName = html("span", { class: "dst-hidden-text" }, ` ${name} `);
      return html("span", { class: "dst-confused-value" }, mark, hiddenName, values[role]);
    };
    const title = html("span", { class: "dst-hidden-text" }, store.title(index));
    const button = { type: "button", onclick: () => this.onExample(index) };
    const node = html("button", button, store.thumbnail(index, 48), title, store.roles.map(line));
    const card = { node, values };
    this.#cards.set(index, card);
    return card;
  }
  /**
   * Put the cards in order, which depends on the temperature; the focused card keeps the focus.
   * @param {HTMLElement[]} nodes
   * @param {string} order
   */
  #arrange(nodes, order) {
    if (order === this.#order) return;
    this.#order = order;
    const root = /** @type {Document | ShadowRoot} */ (this.list.getRootNode());
    const focused = nodes.find((node) => node === root.activeElement);
    this.list.replaceChildren(...nodes);
    focused?.focus({ preventScroll: true });
  }
}
