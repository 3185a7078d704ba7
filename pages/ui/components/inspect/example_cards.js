// Cards of examples with image or coordinates, true class and every network's prediction. One is chosen.
//
// Payload: cards [{position, src, x, y, true, predictions: [[role, class, probability, is correct]]}], extent [x0, x1, y0, y1] (of
// points), names {role}, chosen (a position). Sets the state chosen.

import { html, setAttributes, setText, svg } from "../shared/dom.js";
import { formatPercent } from "../shared/format.js";
import { mount } from "../shared/mount.js";
import palette from "../shared/palette.js";
import { readTheme } from "../shared/theme.js";

/** @typedef {import("../shared/theme.js").Theme} Theme */
/**
 * @typedef {{
 *   position: number,
 *   src?: string,
 *   x?: number,
 *   y?: number,
 *   true: string,
 *   predictions: [role: string, prediction: string, probability: number, isCorrect: boolean][],
 * }} Card position: of the example in its split; row of the example
 */

const PLANE_SIZE = 64;

class ExampleCards {
  /** @type {import("../shared/mount.js").Callbacks["setStateValue"]} */
  setStateValue = () => {};
  /** @type {Card[]} */
  #cards = [];
  /** @type {number | undefined} */
  #lastChosen = undefined;
  #key = "";
  /** @type {any} */
  spec = {};
  /** @type {number | undefined} */
  chosen = undefined;

  /** @param {HTMLElement} root */
  constructor(root) {
    root.classList.add("dst-example-cards");
    this.root = root;
    const onkeydown = (/** @type {KeyboardEvent} */ event) => this.#onKey(event);
    this.list = html("div", { class: "dst-card-list", role: "radiogroup", "aria-label": "Examples", onkeydown });
    this.empty = html("p", { class: "dst-empty" });
    root.append(this.empty, this.list);
  }

  /**
   * @param {any} data
   * @param {import("../shared/mount.js").Callbacks} callbacks
   */
  update(data, { setStateValue }) {
    this.setStateValue = setStateValue;
    this.spec = data;
    this.#cards = data.cards ?? [];
    const isMissing = !this.#cards.some(({ position }) => position === this.chosen);
    if (data.chosen !== this.#lastChosen || isMissing) this.chosen = data.chosen;
    this.#lastChosen = data.chosen;
    this.empty.hidden = this.#cards.length > 0;
    this.list.hidden = this.#cards.length === 0;
    setText(this.empty, data.empty ?? "There is no such example.");
    const theme = readTheme(this.root);
    const key = JSON.stringify([data.cards, data.names, theme.dark]);
    if (key !== this.#key) {
      this.#key = key;
      this.list.replaceChildren(...this.#cards.map((card) => this.#card(card, theme)));
    }
    this.#updateSelection();
  }

  /**
   * @param {Card} card
   * @param {Theme} theme
   */
  #card({ position, src, x, y, true: label, predictions }, theme) {
    const name = (/** @type {string} */ role) => this.spec.names?.[role] ?? theme.role(role).name;
    const description = predictions
      .map(([role, prediction, p]) => `${name(role)} ${prediction}, ${formatPercent(p)}`)
      .join("; ");
    const rows = predictions.map(([role, prediction, p, isCorrect]) => {
      const { colour, glyph } = theme.role(role);
      const title = `${name(role)}: ${prediction}, ${isCorrect ? "correct" : "wrong"}`;
      return html(
        "span",
        { class: isCorrect ? "dst-correct" : "dst-wrong", title },
        html("i", { style: `color: ${colour}` }, glyph),
        html("b", {}, prediction),
        html("small", {}, formatPercent(p, 0)),
      );
    });
    const attributes = {
      type: "button",
      role: "radio",
      "aria-label": `Example ${position}, true class ${label}: ${description}`,
    };
    const picture = src
      ? html("img", { src, alt: "", draggable: "false", loading: "lazy" })
      : this.#plane(x ?? 0, y ?? 0, theme);
    const trueClass = html("span", { class: "dst-true" }, html("i", {}, palette.trueLabel), html("b", {}, label));
    return html("button", { ...attributes, onclick: () => this.#choose(position) }, picture, trueClass, rows);
  }

  /**
   * Return a picture of a point in the plane.
   * @param {number} x
   * @param {number} y
   * @param {Theme} theme
   */
  #plane(x, y, theme) {
    const [x0, x1, y0, y1] = this.spec.extent ?? [-1, 1, -1, 1];
    const [cx, cy] = [((x - x0) / (x1 - x0)) * PLANE_SIZE, PLANE_SIZE - ((y - y0) / (y1 - y0)) * PLANE_SIZE];
    const chart = svg(
      "svg",
      { viewBox: `0 0 ${PLANE_SIZE} ${PLANE_SIZE}`, "aria-hidden": "true" },
      svg("line", { x1: cx, x2: cx, y1: 0, y2: PLANE_SIZE, stroke: theme.rule }),
      svg("line", { x1: 0, x2: PLANE_SIZE, y1: cy, y2: cy, stroke: theme.rule }),
      svg("circle", { cx, cy, r: 4, fill: theme.text }),
    );
    return html("span", { class: "dst-plane" }, chart, html("small", {}, `${x.toFixed(2)}, ${y.toFixed(2)}`));
  }

  #updateSelection() {
    [...this.list.children].forEach((button, i) => {
      const isChosen = this.#cards[i].position === this.chosen;
      setAttributes(button, { "aria-checked": String(isChosen), tabindex: isChosen ? 0 : -1 });
    });
  }
  /** @param {number} position */
  #choose(position) {
    if (position === this.chosen) return;
    this.chosen = position;
    this.#updateSelection();
    this.setStateValue("chosen", position);
  }
  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const count = this.#cards.length;
    const next = (this.#cards.findIndex(({ position }) => position === this.chosen) + step + count) % count;
    this.#choose(this.#cards[next].position);
    const buttons = /** @type {HTMLElement[]} */ ([...this.list.children]);
    buttons[next].focus();
  }
  destroy() {}
}

export default mount(ExampleCards, import.meta.url, ["example_cards.css"]);
