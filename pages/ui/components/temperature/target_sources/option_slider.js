// Slider of one option with a number box.

import { html, setAttributes, setText } from "../../shared/dom.js";
import { UpdateFilter } from "../../shared/state/update_filter.js";

/** @typedef {{name: string, label: string, low: number, high: number, step: number, value: number}} OptionSpec */

/**
 * Write the value of an option.
 * @param {number} value
 */
export const formatOption = (value) => String(Number(value.toPrecision(6)));

export class OptionSlider {
  value = 0;
  low = 0;
  high = 0;
  isHeld = false;
  #filter = new UpdateFilter();

  /**
   * @param {{name: string, label: string}} option
   * @param {{onInput: () => void, onChange: (value: number) => void}} onInput: at every movement; onChange: on release
   */
  constructor({ name, label }, { onInput, onChange }) {
    this.name = name;
    this.onInput = onInput;
    this.onChange = onChange;
    this.slider = html("input", { type: "range", "aria-label": label });
    this.box = html("input", { type: "number", "aria-label": `${label}, as a number`, step: "any" });
    this.error = html("p", { class: "dst-error", role: "alert", hidden: true });
    const title = html("span", { "aria-hidden": "true" }, label);
    this.node = html("div", { class: "dst-option" }, title, this.slider, this.box, this.error);
    this.slider.addEventListener("input", () => this.#onInput(this.slider));
    this.slider.addEventListener("change", () => this.#commit());
    this.box.addEventListener("input", () => this.#isAllowed && this.#onInput(this.box));
    this.box.addEventListener("change", () => this.#onTyped());
    const release = () => {
      this.isHeld = false;
    };
    // A slider that returns to its first value emits no change event.
    for (const end of ["pointerup", "pointercancel"]) this.slider.addEventListener(end, release);
    for (const input of [this.slider, this.box]) input.addEventListener("blur", release);
  }

  /**
   * Set the value received from Python, if it is new and the user does not hold the slider.
   * @param {{low: number, high: number, step: number, value: number}} option
   */
  update({ low, high, step, value }) {
    Object.assign(this, { low, high });
    setAttributes(this.slider, { min: low, max: high, step });
    setAttributes(this.box, { min: low, max: high });
    if (!this.isHeld && this.#filter.isNew(value)) this.#set(value);
  }
  /**
   * @param {number} value
   * @param {HTMLInputElement} [source] the input that has this value already
   */
  #set(value, source) {
    this.value = value;
    if (source !== this.slider) this.slider.value = String(value);
    if (source !== this.box) this.box.value = formatOption(value);
    if (source) this.error.hidden = true;
    this.onInput();
  }
  /** @param {HTMLInputElement} source */
  #onInput(source) {
    this.isHeld = true;
    this.#set(source.valueAsNumber, source);
  }
  #commit() {
    this.isHeld = false;
    this.#filter.recordSent(this.value);
    this.onChange(this.value);
  }

  get #isAllowed() {
    const value = this.box.valueAsNumber;
    return value >= this.low && value <= this.high; // false for NaN
  }
  #onTyped() {
    const text = this.box.value;
    const isAllowed = this.#isAllowed;
    this.isHeld = false;
    this.error.hidden = isAllowed;
    if (isAllowed) {
      this.#commit();
      return;
    }
    const range = `choose a number from ${formatOption(this.low)} to ${formatOption(this.high)}`;
    const subject = text === "" ? "An empty text" : text;
    setText(this.error, `${subject} is not a valid value: ${range}. It stays ${formatOption(this.value)}.`);
    this.box.value = formatOption(this.value);
  }
}
