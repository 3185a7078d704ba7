// Radio group of examples, as images or as coordinates.

import { html, setAttributes } from "../../shared/dom.js";

/** @typedef {{src?: string, x?: number, y?: number, text?: string, label?: number | number[], title?: string}} Example */

export class ExamplePicker {
  chosen = 0;
  #key = "";
  /** @type {number | undefined} */
  #lastIndex = undefined;

  /** @param {(index: number) => void} onChoose */
  constructor(onChoose) {
    this.onChoose = onChoose;
    const onkeydown = (/** @type {KeyboardEvent} */ event) => this.#onKey(event);
    this.node = html("div", { class: "dst-example-list", role: "radiogroup", "aria-label": "Example", onkeydown });
  }

  /**
   * Show the examples. Python's choice replaces the user's when it changes.
   * @param {Example[]} examples
   * @param {number | undefined} index chosen by Python
   */
  update(examples, index) {
    if (index !== this.#lastIndex) this.chosen = index ?? this.chosen;
    this.#lastIndex = index;
    this.chosen = Math.max(0, Math.min(this.chosen, examples.length - 1));
    const key = JSON.stringify(examples);
    if (key !== this.#key) {
      this.#key = key;
      this.node.hidden = examples.length < 2;
      this.node.replaceChildren(...examples.map((example, i) => this.#button(example, i)));
    }
    this.#updateSelection();
  }

  /**
   * @param {Example} example
   * @param {number} i
   */
  #button({ src, x, y, text: ending, title }, i) {
    const name = title ?? `Example ${i + 1}`;
    const place = [x, y].flatMap((value) => (Number.isFinite(value) ? [Number(value).toFixed(1)] : []));
    const text = ending || (place.length ? `(${place.join(", ")})` : name);
    const picture =
      src && !ending ? html("img", { src, alt: "", draggable: "false" }) : html("span", { class: "dst-chip" }, text);
    const onclick = () => this.#choose(i);
    return html("button", { type: "button", role: "radio", "aria-label": name, onclick }, picture);
  }

  #updateSelection() {
    [...this.node.children].forEach((button, i) => {
      const isChosen = i === this.chosen;
      setAttributes(button, { "aria-checked": String(isChosen), tabindex: isChosen ? 0 : -1 });
    });
  }
  /** @param {number} i */
  #choose(i) {
    if (i === this.chosen) return;
    this.chosen = i;
    this.#updateSelection();
    this.onChoose(i);
  }
  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const buttons = /** @type {HTMLElement[]} */ ([...this.node.children]);
    this.#choose((this.chosen + step + buttons.length) % buttons.length);
    buttons[this.chosen].focus();
  }
}
