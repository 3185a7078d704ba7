// Temperature slider on a logarithmic scale with a number box.

import { html, setAttributes, setText } from "../dom.js";
import { UpdateFilter } from "../state/update_filter.js";

const TICKS = [1, 2, 4, 8, 16, 32, 64];
const STEPS_PER_OCTAVE = 64; // positions of the slider per doubling
const KEYS_PER_OCTAVE = 8; // arrow keys per doubling
const SNAP = 0.04; // octaves within which the slider snaps to a tick
const KEY_DELAY = 400; // milliseconds after the last key until the temperature is reported

export class TemperatureSlider {
  isHeld = false;
  value = 1;
  low = 0;
  high = 0;
  #filter = new UpdateFilter();

  /**
   * @param {{
   *   onInput: () => void,
   *   onChange: (value: number) => void,
   *   label?: string,
   *   ticks?: number[],
   *   ends?: [string, string],
   * }} options onInput: at every movement; onChange: on release; ends: what the lowest and highest temperature do
   */
  constructor({ onInput, onChange, label = "Temperature", ticks = TICKS, ends = ["sharper", "almost uniform"] }) {
    this.values = ticks;
    this.ends = ends;
    this.onInput = onInput;
    this.onChange = (/** @type {number} */ value) => {
      this.#filter.recordSent(value);
      onChange(value);
    };
    this.slider = html("input", { type: "range", step: 1, "aria-label": label });
    this.box = html("input", { type: "number", step: "any", "aria-label": `${label}, as a number` });
    this.ticks = html("div", { class: "dst-ticks", "aria-hidden": "true" });
    this.error = html("p", { class: "dst-error", role: "alert", hidden: true });
    this.node = html(
      "div",
      { class: "dst-temperature" },
      html("span", { class: "dst-name" }, label),
      html("div", { class: "dst-track" }, this.slider, this.ticks),
      this.box,
      this.error,
    );
    const hold = (/** @type {boolean} */ isHeld) => () => {
      this.isHeld = isHeld;
    };
    this.slider.addEventListener("pointerdown", hold(true));
    this.slider.addEventListener("pointerup", hold(false));
    this.slider.addEventListener("pointercancel", hold(false));
    this.slider.addEventListener("input", () => this.#set(this.#snappedValue(), this.slider));
    this.slider.addEventListener("change", () => this.onChange(this.value));
    this.slider.addEventListener("keydown", (event) => this.#onKey(event));
    this.box.addEventListener("input", () => this.#isAllowed && this.#set(this.box.valueAsNumber, this.box));
    this.box.addEventListener("change", () => this.#onTyped());
  }

  /**
   * Set the temperature received from Python, if it is new and the user does not hold the slider.
   * @param {number} temperature
   * @param {number[]} range
   */
  update(temperature, [low, high]) {
    if (low !== this.low || high !== this.high) this.#setRange(low, high);
    if (!this.isHeld && this.#filter.isNew(temperature)) this.#set(temperature);
  }

  /**
   * @param {number} low
   * @param {number} high
   */
  #setRange(low, high) {
    Object.assign(this, { low, high });
    const position = (/** @type {number} */ temperature) => Math.round(Math.log2(temperature) * STEPS_PER_OCTAVE);
    setAttributes(this.slider, { min: position(low), max: position(high) });
    setAttributes(this.box, { min: low, max: high });
    const ticks = this.values
      .filter((tick) => tick >= low && tick <= high)
      .map((tick) => {
        const place = Math.log2(tick / low) / Math.log2(high / low);
        const note = tick === 1 ? html("small", {}, "as trained") : null;
        return html("span", { style: `left: calc(11px + ${place} * (100% - 22px))` }, String(tick), note);
      });
    const lowest = low < 0.5 ? [html("small", { class: "dst-end dst-start" }, this.ends[0])] : [];
    this.ticks.replaceChildren(...ticks, ...lowest, html("small", { class: "dst-end" }, this.ends[1]));
  }

  /**
   * @param {number} temperature
   * @param {HTMLInputElement} [source] the input that has this value already
   */
  #set(temperature, source) {
    this.value = Math.min(this.high, Math.max(this.low, temperature));
    if (source !== this.slider) this.slider.value = String(Math.round(Math.log2(this.value) * STEPS_PER_OCTAVE));
    if (source !== this.box) this.box.value = this.text;
    this.onInput();
  }

  get #isAllowed() {
    const value = this.box.valueAsNumber;
    return value >= this.low && value <= this.high; // false for NaN
  }
  #onTyped() {
    const text = this.box.value;
    this.error.hidden = this.#isAllowed;
    if (this.#isAllowed) this.onChange(this.value);
    else {
      const subject = text === "" ? "An empty text" : text;
      const range = `choose a number from ${this.low} to ${this.high}`;
      setText(this.error, `${subject} is not a valid temperature: ${range}. It stays ${this.text}.`);
    }
    this.#set(this.value);
  }

  /**
   * Set the temperature as if the user had.
   * @param {number} temperature
   */
  choose(temperature) {
    this.#set(temperature);
    this.onChange(this.value);
  }

  /**
   * Show a temperature that another slider has, without reporting it.
   * @param {number} temperature
   */
  show(temperature) {
    if (temperature !== this.value) this.#set(temperature);
  }

  #snappedValue() {
    const octave = Number(this.slider.value) / STEPS_PER_OCTAVE;
    const tick = Math.round(octave);
    const isNear = Math.abs(octave - tick) < SNAP && this.values.includes(2 ** tick);
    return Number((2 ** (isNear ? tick : octave)).toFixed(2));
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    if (!steps) return;
    event.preventDefault();
    this.step(steps);
  }
  /** @param {number} steps of the arrow keys */
  step(steps) {
    const size = STEPS_PER_OCTAVE / KEYS_PER_OCTAVE;
    this.slider.value = String((Math.round(Number(this.slider.value) / size) + steps) * size);
    this.#set(this.#snappedValue(), this.slider);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.onChange(this.value), KEY_DELAY);
  }

  get text() {
    return this.value.toFixed(2).replace(/0$/, "");
  }
  /** @param {string} text for screen readers */
  setValueText(text) {
    setAttributes(this.slider, { "aria-valuetext": text });
  }
  destroy() {
    clearTimeout(this.timer);
  }
}
