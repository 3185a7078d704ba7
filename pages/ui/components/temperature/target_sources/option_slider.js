// An option of an instrument: a native slider with a number box beside it. What is out of range is refused in words.

const short = (value) => String(Number(value.toPrecision(6)));

class OptionHandle {
  #echo = new Echo();

  // moved: at every movement; chosen(value): when the user lets go
  constructor({ name, label }, { moved, chosen }) {
    Object.assign(this, { name, label, moved });
    this.slider = html("input", { type: "range", "aria-label": label });
    this.box = html("input", { type: "number", "aria-label": `${label}, as a number`, step: "any" });
    this.refusal = html("p", { class: "dst-refusal", role: "alert", hidden: true });
    this.node = html("div", { class: "dst-option" }, html("span", { "aria-hidden": "true" }, label), this.slider, this.box, this.refusal);
    this.slider.addEventListener("input", () => this.#move(this.slider));
    this.slider.addEventListener("change", () => this.#choose(chosen));
    this.box.addEventListener("input", () => this.#isAllowed && this.#move(this.box));
    this.box.addEventListener("change", () => this.#typed(chosen));
    // Who comes back to where they began has let go, too, although nothing has changed.
    for (const end of ["pointerup", "pointercancel"]) this.slider.addEventListener(end, () => (this.held = false));
    for (const input of [this.slider, this.box]) input.addEventListener("blur", () => (this.held = false));
  }

  // The handle follows the server when its value changes there, but never out of the user's hand.
  update({ low, high, step, value }) {
    Object.assign(this, { low, high });
    attributes(this.slider, { min: low, max: high, step });
    attributes(this.box, { min: low, max: high });
    if (!this.held && this.#echo.isNews(value)) this.#set(value);
  }
  #set(value, source) {
    this.value = value;
    if (source !== this.slider) this.slider.value = value;
    if (source !== this.box) this.box.value = short(value);
    if (source) this.refusal.hidden = true;
    this.moved();
  }
  #move(source) {
    this.held = true;
    this.#set(source.valueAsNumber, source);
  }
  #choose(chosen) {
    this.held = false;
    this.#echo.tell(this.value);
    chosen(this.value);
  }

  get #isAllowed() {
    const value = this.box.valueAsNumber;
    return value >= this.low && value <= this.high; // false for what is no number
  }
  // A refused number is named, with the range, and the value stays what it was.
  #typed(chosen) {
    const typed = this.box.value;
    const isAllowed = this.#isAllowed;
    this.held = false;
    this.refusal.hidden = isAllowed;
    if (isAllowed) return this.#choose(chosen);
    const range = `choose a number from ${short(this.low)} to ${short(this.high)}`;
    write(this.refusal, `${typed === "" ? "That" : typed} is not allowed: ${range}. It stays ${short(this.value)}.`);
    this.box.value = short(this.value);
  }
}
