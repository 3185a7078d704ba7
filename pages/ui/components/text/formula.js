// Numbers of a loss formula that follow the sliders beside it, without the server.
//
// Streamlit draws formula and sliders, and a slider tells the server its value on release. This component draws nothing.
// It replaces the numbers of the formula in the same container, and the formula that the server sends later agrees.
//
// Payload: latex (of the formula drawn), scope (class of the container), and sliders, each {label, low, step, numbers}.
// numbers has by position in the formula the text at every step of the slider, null where the formula has other terms.
// Sets no states.

import { mount } from "../shared/mount.js";
import { insertNumbers, numbersAt, numbersIn, skeleton } from "./formula_numbers.js";

class Formula {
  /** @type {Map<string, boolean>} by formula without numbers, whether the browser draws the numbers in their order */
  #isOrdered = new Map();
  /** @type {Element | null} */
  scope = null;
  #observer = new MutationObserver(() => this.#draw());

  /** @param {HTMLElement} root */
  constructor(root) {
    const node = root.getRootNode();
    this.root = node instanceof ShadowRoot ? node.host : root;
  }

  /** @param {{latex: string, scope: string, sliders: import("./formula_numbers.js").Slider[]}} data */
  update(data) {
    this.data = data;
    const scope = this.root.closest(`.${data.scope}`);
    if (scope !== this.scope) {
      this.scope = scope;
      this.#observer.disconnect();
      // Also called when Streamlit has drawn a formula for a value that the slider has left again.
      if (scope)
        this.#observer.observe(scope, { subtree: true, childList: true, characterData: true, attributes: true });
    }
    this.#draw();
  }

  #draw() {
    const formula = this.scope?.querySelector(".katex");
    const source = formula?.querySelector("annotation");
    if (!this.data || !formula || !source) return;
    const { latex, sliders } = this.data;
    const form = skeleton(latex);
    if (skeleton(source.textContent ?? "") !== form) return; // of another method, until its payload arrives
    const values = sliders.map(({ label }) => this.#value(label));
    const numbers = numbersAt(latex, sliders, values);
    if (!numbers) return;
    const drawn = formula.querySelector(".katex-html");
    const spoken = formula.querySelector("semantics > :first-child");
    if (!this.#isOrdered.has(form)) {
      const expected = numbersIn(source.textContent ?? "").join(" ");
      this.#isOrdered.set(
        form,
        [drawn, spoken].every((part) => numbersIn(textOf(part)).join(" ") === expected),
      );
    }
    if (this.#isOrdered.get(form)) for (const part of [drawn, spoken, source]) replaceNumbers(part, numbers);
  }

  /** @param {string} label */
  #value(label) {
    const inputs = this.scope?.querySelectorAll("input[type=range]") ?? [];
    const input = [...inputs].find((input) => input.getAttribute("aria-label") === label);
    return input instanceof HTMLInputElement ? input.valueAsNumber : Number.NaN;
  }

  destroy() {
    this.#observer.disconnect();
  }
}

/** @param {Node | null} node */
function textNodes(node) {
  if (!node) return [];
  const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT),
    nodes = [];
  while (walker.nextNode()) nodes.push(/** @type {Text} */ (walker.currentNode));
  return nodes;
}

/**
 * Return the texts below a node with spaces between them, since numbers may stand beside each other.
 * @param {Node | null} node
 */
const textOf = (node) =>
  textNodes(node)
    .map(({ data }) => data)
    .join(" ");

/**
 * @param {Node | null} node
 * @param {string[]} numbers
 */
function replaceNumbers(node, numbers) {
  let start = 0;
  for (const text of textNodes(node)) {
    const count = numbersIn(text.data).length;
    const replaced = insertNumbers(text.data, numbers.slice(start, start + count));
    if (replaced !== text.data) text.data = replaced;
    start += count;
  }
}

export default mount(Formula, import.meta.url, []);
