// Text of one network, whose characters are coloured by the teacher's surprise and can be chosen.

import { html, setAttributes, setText } from "../shared/dom.js";
import { formatPercent } from "../shared/format.js";
import { COLOURS, level, probability, UNLIKELY } from "./surprise_scale.js";

/** @typedef {{beginning: string, text: string, bits: number[] | null, after: string}} Content after: text before the
 *   chosen character */

const NAMES = /** @type {Record<string, string>} */ ({ " ": "space", "\n": "line break", "\t": "tab" });
const SHOWN = /** @type {Record<string, string>} */ ({ "\n": "⏎\n", "\t": "⇥" });
const STEPS = /** @type {Record<string, number>} */ ({ ArrowLeft: -1, ArrowRight: 1, ArrowUp: -10, ArrowDown: 10 });
let serial = 0;

export class TextView {
  /** @type {HTMLElement[]} */
  #characters = [];
  #cursor = -1;
  /** @type {Content} */
  #content = { beginning: "", text: "", bits: null, after: "" };
  #id = `dst-text-${++serial}`;

  /** @param {(after: string, next: string) => void} onChoose called with the text before a character, and with it */
  constructor(onChoose) {
    this.onChoose = onChoose;
    this.mark = html("i", {});
    this.name = html("span", {});
    this.note = html("span", { class: "dst-muted" });
    this.before = html("span", { class: "dst-muted", "aria-hidden": "true" });
    this.list = html("span", {
      role: "listbox",
      tabindex: 0,
      class: "dst-characters",
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#onKey(event),
      onclick: (/** @type {MouseEvent} */ event) => this.#onClick(event),
    });
    this.empty = html("span", { class: "dst-muted" });
    this.whole = html("p", { class: "dst-hidden-text" });
    const heading = html("h3", {}, this.mark, " ", this.name);
    const paragraph = html("div", { class: "dst-written" }, this.before, this.list, this.empty);
    this.node = html("section", {}, heading, this.note, paragraph, this.whole);
  }

  /**
   * @param {{glyph: string, colour: string, name: string}} style
   * @param {Content | null} content null before the network has written anything
   * @param {string} empty shown until then
   */
  update({ glyph, colour, name }, content, empty) {
    setText(this.mark, glyph);
    setAttributes(this.mark, { style: `color: ${colour}` });
    setText(this.name, name);
    this.list.hidden = !content;
    setText(this.before, content?.beginning ?? "");
    setText(this.empty, content ? "" : empty);
    this.#content = content ?? { beginning: "", text: "", bits: null, after: "" };
    const { text, bits } = this.#content;
    const mean = bits ? bits.reduce((sum, value) => sum + value, 0) / Math.max(1, bits.length) : null;
    setText(this.note, mean === null ? "\u00a0" : `the teacher’s surprise: ${mean.toFixed(1)} bits per character`);
    setText(this.whole, content ? `${name} writes: ${this.#content.beginning}${text}` : "");
    setAttributes(this.list, {
      "aria-label": `Characters of the ${name}. Arrow keys move, Enter shows what could have come instead.`,
    });
    this.#draw();
  }

  #draw() {
    const { beginning, text, bits, after } = this.#content;
    while (this.#characters.length < text.length) {
      const node = html("span", { role: "option", id: `${this.#id}-${this.#characters.length}` });
      this.#characters.push(node);
      this.list.append(node);
    }
    for (const node of this.#characters.splice(text.length)) node.remove();
    const chosen = after.startsWith(beginning) && text.startsWith(after.slice(beginning.length));
    const at = chosen ? after.length - beginning.length : -1;
    this.#characters.forEach((node, i) => {
      const character = text[i];
      const look = bits ? COLOURS[level(bits[i])] : null;
      const p = bits ? probability(bits[i]) : 1;
      const key = [character, look?.background, p < UNLIKELY, p, i === at].join();
      if (node.dataset.key === key) return;
      node.dataset.key = key;
      setText(node, SHOWN[character] ?? character);
      const likely = bits ? `, ${formatPercent(p)}` : "";
      setAttributes(node, {
        "aria-label": `${NAMES[character] ?? character}${likely}`,
        "aria-selected": String(i === at),
        title: bits ? `${NAMES[character] ?? character}: the teacher’s probability ${formatPercent(p)}` : "",
        class: p < UNLIKELY ? "dst-unlikely" : "",
        style: look ? `background: ${look.background}; color: ${look.text}` : "",
      });
    });
  }

  /** @param {number} i */
  #choose(i) {
    const { beginning, text } = this.#content;
    this.onChoose(beginning + text.slice(0, i), text[i]);
  }
  /** @param {MouseEvent} event */
  #onClick(event) {
    const i = this.#characters.indexOf(/** @type {HTMLElement} */ (event.target));
    if (i < 0) return;
    this.#moveTo(i);
    this.#choose(i);
  }
  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const step = STEPS[event.key];
    const isChoice = event.key === "Enter" || event.key === " ";
    if (!step && !isChoice) return;
    event.preventDefault();
    if (isChoice) this.#choose(Math.max(0, this.#cursor));
    else this.#moveTo(Math.min(this.#characters.length - 1, Math.max(0, this.#cursor + step)));
  }
  /** @param {number} i */
  #moveTo(i) {
    this.#characters[this.#cursor]?.classList.remove("dst-cursor");
    this.#cursor = i;
    this.#characters[i]?.classList.add("dst-cursor");
    setAttributes(this.list, { "aria-activedescendant": `${this.#id}-${i}` });
  }
}
