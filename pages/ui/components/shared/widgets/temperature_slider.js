// The temperature handle: a native slider on a logarithmic scale with a number box beside it.

const TICKS = [1, 2, 4, 8, 16, 32, 64];
const FINENESS = 64; // positions per doubling

class TemperatureHandle {
  held = false;
  value = 1;
  #echo = new Echo();

  // moved: at every movement; chosen: when the user lets go
  constructor({ moved, chosen }) {
    this.moved = moved;
    this.chosen = (value) => {
      this.#echo.tell(value);
      chosen(value);
    };
    this.slider = html("input", { type: "range", step: 1, "aria-label": "Temperature" });
    this.box = html("input", { type: "number", step: "any", "aria-label": "Temperature, as a number" });
    this.ticks = html("div", { class: "dst-ticks", "aria-hidden": "true" });
    this.refusal = html("p", { class: "dst-refusal", role: "alert", hidden: true });
    this.node = html(
      "div",
      { class: "dst-temperature" },
      html("span", { class: "dst-name" }, "Temperature"),
      html("div", { class: "dst-track" }, this.slider, this.ticks),
      this.box,
      this.refusal,
    );
    this.slider.addEventListener("pointerdown", () => (this.held = true));
    this.slider.addEventListener("pointerup", () => (this.held = false));
    this.slider.addEventListener("pointercancel", () => (this.held = false));
    this.slider.addEventListener("input", () => this.#set(this.#snapped(), this.slider));
    this.slider.addEventListener("change", () => this.chosen(this.value));
    this.slider.addEventListener("keydown", (event) => this.#key(event));
    this.box.addEventListener("input", () => this.#isAllowed && this.#set(this.box.valueAsNumber, this.box));
    this.box.addEventListener("change", () => this.#typed());
  }

  // The handle follows the server when its value changes there, but never out of the user's hand.
  update(temperature, [low, high]) {
    if (low !== this.low || high !== this.high) this.#scale(low, high);
    if (!this.held && this.#echo.isNews(temperature)) this.#set(temperature);
  }

  #scale(low, high) {
    Object.assign(this, { low, high });
    attributes(this.slider, { min: Math.round(Math.log2(low) * FINENESS), max: Math.round(Math.log2(high) * FINENESS) });
    attributes(this.box, { min: low, max: high });
    const ticks = TICKS.filter((tick) => tick >= low && tick <= high).map((tick) => {
      const share = Math.log2(tick / low) / Math.log2(high / low);
      return html("span", { style: `left: calc(11px + ${share} * (100% - 22px))` }, String(tick), tick === 1 ? html("small", {}, "as trained") : null);
    });
    const sharper = low < 0.5 ? [html("small", { class: "dst-end dst-start" }, "sharper")] : []; // else there is no room
    this.ticks.replaceChildren(...ticks, ...sharper, html("small", { class: "dst-end" }, "almost uniform"));
  }

  #set(temperature, source) {
    this.value = Math.min(this.high, Math.max(this.low, temperature));
    if (source !== this.slider) this.slider.value = Math.round(Math.log2(this.value) * FINENESS);
    if (source !== this.box) this.box.value = this.text;
    this.moved();
  }

  get #isAllowed() {
    const value = this.box.valueAsNumber;
    return value >= this.low && value <= this.high; // false for what is no number
  }
  // A refused number is named, with the range, and the temperature stays what it was.
  #typed() {
    const typed = this.box.value;
    this.refusal.hidden = this.#isAllowed;
    if (this.#isAllowed) this.chosen(this.value);
    else write(this.refusal, `${typed === "" ? "That" : typed} is no temperature: choose a number from ${this.low} to ${this.high}. It stays ${this.text}.`);
    this.#set(this.value);
  }

  // Near a tick the handle means the tick.
  #snapped() {
    const octave = Number(this.slider.value) / FINENESS;
    const tick = Math.round(octave);
    const temperature = Math.abs(octave - tick) < 0.04 && TICKS.includes(2 ** tick) ? 2 ** tick : 2 ** octave;
    return Number(temperature.toFixed(2));
  }

  #key(event) {
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    if (!steps) return;
    event.preventDefault();
    this.turn(steps);
  }
  // One step is an eighth of a doubling: a change one can see. Whoever rests has chosen.
  turn(steps) {
    this.slider.value = (Math.round(Number(this.slider.value) / 8) + steps) * 8;
    this.#set(this.#snapped(), this.slider);
    clearTimeout(this.pause);
    this.pause = setTimeout(() => this.chosen(this.value), 400);
  }

  get text() {
    return this.value.toFixed(2).replace(/0$/, "");
  }
  say(text) {
    attributes(this.slider, { "aria-valuetext": text });
  }
  destroy() {
    clearTimeout(this.pause);
  }
}
