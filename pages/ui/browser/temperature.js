// The temperature handle: a native slider on a logarithmic scale with a number box beside it.

const TICKS = [1, 2, 4, 8, 16];
const FINENESS = 64; // positions per doubling

class TemperatureHandle {
  held = false;
  value = 1;
  #incoming;

  // moved: at every movement; chosen: when the user lets go
  constructor({ moved, chosen }) {
    this.moved = moved;
    this.slider = html("input", { type: "range", step: 1, "aria-label": "Temperature" });
    this.box = html("input", { type: "number", step: 0.1, "aria-label": "Temperature, as a number" });
    this.ticks = html("div", { class: "dst-ticks", "aria-hidden": "true" });
    this.node = html(
      "div",
      { class: "dst-temperature" },
      html("span", { class: "dst-name" }, "Temperature"),
      html("div", { class: "dst-track" }, this.slider, this.ticks),
      this.box,
    );
    this.slider.addEventListener("pointerdown", () => (this.held = true));
    this.slider.addEventListener("pointerup", () => (this.held = false));
    this.slider.addEventListener("pointercancel", () => (this.held = false));
    this.slider.addEventListener("input", () => this.#set(this.#snapped(), this.slider));
    this.slider.addEventListener("change", () => chosen(this.value));
    this.slider.addEventListener("keydown", (event) => this.#key(event, chosen));
    this.box.addEventListener("input", () => this.box.checkValidity() && this.box.value && this.#set(Number(this.box.value), this.box));
    this.box.addEventListener("change", () => {
      this.#set(Number(this.box.value) || this.value);
      chosen(this.value);
    });
  }

  // The handle follows the server when its value changes there, but never out of the user's hand.
  update(temperature, [low, high]) {
    if (low !== this.low || high !== this.high) this.#scale(low, high);
    if (temperature === this.#incoming || this.held) return;
    this.#incoming = temperature;
    this.#set(temperature);
  }

  #scale(low, high) {
    Object.assign(this, { low, high });
    attributes(this.slider, { min: Math.round(Math.log2(low) * FINENESS), max: Math.round(Math.log2(high) * FINENESS) });
    attributes(this.box, { min: low, max: high });
    this.ticks.replaceChildren(
      ...TICKS.filter((tick) => tick >= low && tick <= high).map((tick) => {
        const share = Math.log2(tick / low) / Math.log2(high / low);
        return html("span", { style: `left: calc(11px + ${share} * (100% - 22px))` }, String(tick), tick === 1 ? html("small", {}, "as trained") : null);
      }),
      html("small", { class: "dst-end" }, "almost uniform"),
    );
  }

  #set(temperature, source) {
    this.value = Math.min(this.high, Math.max(this.low, temperature));
    if (source !== this.slider) this.slider.value = Math.round(Math.log2(this.value) * FINENESS);
    if (source !== this.box) this.box.value = this.text;
    this.moved();
  }

  // Near a tick the handle means the tick.
  #snapped() {
    const octave = Number(this.slider.value) / FINENESS;
    const tick = Math.round(octave);
    const temperature = Math.abs(octave - tick) < 0.04 && TICKS.includes(2 ** tick) ? 2 ** tick : 2 ** octave;
    return Number(temperature.toFixed(2));
  }

  // One press of an arrow is an eighth of a doubling: a change one can see.
  #key(event, chosen) {
    const step = { ArrowLeft: -8, ArrowDown: -8, ArrowRight: 8, ArrowUp: 8 }[event.key];
    if (!step) return;
    event.preventDefault();
    this.slider.value = Math.round(Number(this.slider.value) / 8) * 8 + step;
    this.#set(this.#snapped(), this.slider);
    clearTimeout(this.pause);
    this.pause = setTimeout(() => chosen(this.value), 400);
  }

  get text() {
    return this.value < 1 ? this.value.toFixed(2) : this.value.toFixed(1);
  }
  say(text) {
    attributes(this.slider, { "aria-valuetext": text });
  }
  destroy() {
    clearTimeout(this.pause);
  }
}
