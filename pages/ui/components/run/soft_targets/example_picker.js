// The strip of examples: a radio group of pictures, or of coordinates where there is no picture.

class Examples {
  chosen = 0;
  #images = "";
  #incoming;

  constructor(choose) {
    this.report = choose;
    this.node = html("div", { class: "dst-strip", role: "radiogroup", "aria-label": "Example", onkeydown: (event) => this.#key(event) });
  }

  // Python's choice counts when it changes; otherwise the user's stays.
  update(images, incoming) {
    if (incoming !== this.#incoming) this.chosen = incoming ?? this.chosen;
    this.#incoming = incoming;
    this.chosen = Math.max(0, Math.min(this.chosen, images.length - 1));
    const key = JSON.stringify(images);
    if (key !== this.#images) {
      this.#images = key;
      this.node.hidden = images.length < 2;
      this.node.replaceChildren(...images.map((image, i) => this.#button(image, i)));
    }
    this.#mark();
  }

  #button(image, i) {
    const name = image.title ?? `Example ${i + 1}`;
    return html("button", { type: "button", role: "radio", "aria-label": name, onclick: () => this.#choose(i) }, this.#picture(image, name));
  }
  #picture({ src, x, y }, name) {
    if (src) return html("img", { src, alt: "", draggable: "false" });
    const at = [x, y].filter(Number.isFinite).map((value) => value.toFixed(1));
    return html("span", { class: "dst-chip" }, at.length ? `(${at.join(", ")})` : name);
  }

  #mark() {
    [...this.node.children].forEach((button, i) => {
      attributes(button, { "aria-checked": String(i === this.chosen), tabindex: i === this.chosen ? 0 : -1 });
    });
  }
  #choose(i) {
    if (i === this.chosen) return;
    this.chosen = i;
    this.#mark();
    this.report(i);
  }
  #key(event) {
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const count = this.node.children.length;
    this.#choose((this.chosen + step + count) % count);
    this.node.children[this.chosen].focus();
  }
}
