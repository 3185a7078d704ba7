// Images with the boxes of teacher, student and baseline, and the sides of one box as softened distributions.
//
// Payload: images [{number, src, truth [box], found {role: [box]}, sides {cell: {role: [4 x bins logits]}}}] with boxes
// {box [x0, y0, x1, y1] as fractions, class, score, cell}, classes [name], roles, networks {role: network}, names {role},
// pixels (side of an image), bin (between two bins, as a fraction), temperature, temperatures [lowest, highest],
// threshold {name, value, low, high, step}, image, cell (-1 for the first object). Sets the states temperature,
// threshold, and place {image, cell}.

import { html, setAttributes, setText, svg } from "../shared/dom.js";
import { formatPercent } from "../shared/format.js";
import { mount, redrawScheduler } from "../shared/mount.js";
import { readNetworkTheme } from "../shared/theme.js";
import { TemperatureSlider } from "../shared/widgets/temperature_slider.js";
import { OptionSlider } from "../temperature/target_sources/option_slider.js";
import { BoxSides } from "./box_sides.js";
import { matchBoxes, placeOf } from "./matching.js";

const ROLES = ["teacher", "student", "baseline"];

class DetectedBoxes {
  /** @type {import("../shared/mount.js").Callbacks["setStateValue"]} */
  setStateValue = () => {};
  #image = 0;
  #cell = -1;
  #lastPlace = "";
  #galleryKey = "";
  /** @type {any} */
  spec = {};

  /** @param {HTMLElement} root */
  constructor(root) {
    root.classList.add("dst-detected-boxes");
    this.root = root;
    this.draw = redrawScheduler(() => this.#draw(), "detected_boxes");
    this.threshold = new OptionSlider(
      { name: "threshold", label: "Least score of a box" },
      { onInput: this.draw, onChange: (value) => this.setStateValue("threshold", value) },
    );
    this.slider = new TemperatureSlider({
      label: "Temperature T",
      onInput: this.draw,
      onChange: (value) => this.setStateValue("temperature", value),
    });
    this.gallery = html("div", { class: "dst-gallery", role: "group", "aria-label": "Images" });
    this.pictures = html("div", { class: "dst-pictures" });
    this.missed = html("div", { class: "dst-missed", role: "status" });
    this.title = html("h3", {});
    this.sides = new BoxSides(this.draw);
    this.body = html("div", {}, this.gallery, this.threshold.node, this.pictures, this.missed);
    this.distributions = html("div", { class: "dst-distributions" }, this.title, this.slider.node, this.sides.node);
    root.append(this.body, this.distributions);
  }

  /**
   * @param {any} data
   * @param {import("../shared/mount.js").Callbacks} callbacks
   */
  update(data, { setStateValue }) {
    this.spec = data;
    this.setStateValue = setStateValue;
    const place = `${data.image} ${data.cell}`;
    if (place !== this.#lastPlace) {
      this.#image = Math.min(data.image ?? 0, (data.images ?? []).length - 1);
      this.#cell = data.cell ?? -1;
    }
    this.#lastPlace = place;
    if (data.threshold) this.threshold.update(data.threshold);
    this.slider.update(data.temperature ?? 1, data.temperatures ?? [0.5, 20]);
    this.draw();
  }

  /**
   * @param {number} image
   * @param {number} cell
   */
  #choose(image, cell) {
    [this.#image, this.#cell] = [image, cell];
    this.draw();
    this.setStateValue("place", { image, cell });
  }

  #draw() {
    const { images = [], roles = [], classes = [], pixels = 48, bin = 0 } = this.spec;
    const image = images[this.#image];
    if (!image) return;
    const theme = readNetworkTheme(this.root, this.spec);
    const present = ROLES.filter((role) => roles.includes(role));
    const cell = image.sides[this.#cell]
      ? this.#cell
      : (image.truth[0] ?? { cell: Number(Object.keys(image.sides)[0]) }).cell;
    this.#drawGallery(images);
    const focused = /** @type {HTMLElement | null} */ (/** @type {any} */ (this.root.getRootNode()).activeElement);
    const key = focused?.getAttribute("data-key");
    const figures = present.map((role) => this.#picture(image, role, cell, theme));
    this.pictures.replaceChildren(...figures);
    if (key) /** @type {any} */ (this.pictures.querySelector(`[data-key="${key}"]`))?.focus();
    this.#drawMissed(image, present, classes, theme);
    const sides = image.sides[cell];
    this.distributions.hidden = !sides;
    if (!sides) return;
    setText(this.title, `Where each side lies, counted from cell ${cell + 1}${this.#objectAt(image, cell, classes)}`);
    this.sides.draw(theme, sides, present, this.slider.value, bin * pixels);
  }

  /** @param {any[]} images */
  #drawGallery(images) {
    const key = images.map((image) => image.number).join(" ") + images[0].src.length;
    if (key !== this.#galleryKey) {
      this.#galleryKey = key;
      const buttons = images.map((image, position) =>
        html(
          "button",
          { type: "button", onclick: () => this.#choose(position, -1), "aria-label": `Image ${image.number + 1}` },
          html("img", { src: image.src, alt: "" }),
        ),
      );
      this.gallery.replaceChildren(...buttons);
    }
    [...this.gallery.children].forEach((button, position) => {
      setAttributes(button, { "aria-pressed": String(position === this.#image) });
    });
  }

  /**
   * @param {any} image
   * @param {string} role
   * @param {number} cell
   * @param {ReturnType<typeof readNetworkTheme>} theme
   */
  #picture(image, role, cell, theme) {
    const { classes = [], pixels = 48 } = this.spec;
    const { colour, name, glyph } = theme.role(role);
    const found = image.found[role] ?? [];
    const visible = found.filter((/** @type {any} */ one) => one.score >= this.threshold.value);
    const { finders, falseAlarms } = matchBoxes(image.truth, found, this.threshold.value);
    const count = finders.filter((finder) => finder >= 0).length;
    const rect = (/** @type {number[]} */ [x0, y0, x1, y1], /** @type {object} */ more) =>
      svg("rect", { x: x0 * 100, y: y0 * 100, width: (x1 - x0) * 100, height: (y1 - y0) * 100, fill: "none", ...more });
    const truth = image.truth.map((/** @type {any} */ one) => rect(one.box, { class: "dst-true-box" }));
    const boxes = visible.map((/** @type {any} */ one) => {
      const label = `${classes[one.class]} ${formatPercent(one.score, 0)}`;
      const choose = () => this.#choose(this.#image, one.cell);
      const [x0, y0] = one.box;
      return svg(
        "g",
        {
          tabindex: 0,
          role: "button",
          "data-key": `${role} ${one.cell}`,
          "aria-label": `${name}: ${label}, ${placeOf(one.box)}`,
          "aria-pressed": String(one.cell === cell),
          onclick: choose,
          onkeydown: (/** @type {KeyboardEvent} */ event) => {
            if (event.key !== "Enter" && event.key !== " ") return;
            event.preventDefault();
            choose();
          },
        },
        rect(one.box, { fill: "transparent", stroke: colour, "stroke-width": one.cell === cell ? 2.4 : 1.2 }),
        svg("text", { x: x0 * 100, y: Math.max(4.5, y0 * 100 - 1), class: "dst-box-label", stroke: colour }, label),
      );
    });
    const picture = svg("image", { href: image.src, x: 0, y: 0, width: 100, height: 100, preserveAspectRatio: "none" });
    const chart = svg(
      "svg",
      { viewBox: "0 0 100 100", class: "dst-picture", "data-pixels": pixels },
      picture,
      truth,
      boxes,
    );
    const alarms = falseAlarms ? `, ${falseAlarms} false alarm${falseAlarms > 1 ? "s" : ""}` : "";
    const caption = ` ${name}: ${count} of ${image.truth.length} found${alarms}`;
    return html("figure", {}, html("figcaption", {}, html("i", { style: `color: ${colour}` }, glyph), caption), chart);
  }

  /**
   * Draw the objects that the student missed, and which of them the teacher found.
   * @param {any} image
   * @param {string[]} roles
   * @param {string[]} classes
   * @param {ReturnType<typeof readNetworkTheme>} theme
   */
  #drawMissed(image, roles, classes, theme) {
    if (!roles.includes("student")) {
      this.missed.replaceChildren();
      return;
    }
    const finders = Object.fromEntries(
      roles.map((role) => [role, matchBoxes(image.truth, image.found[role] ?? [], this.threshold.value).finders]),
    );
    const lines = image.truth.flatMap((/** @type {any} */ object, /** @type {number} */ number) => {
      if (finders.student[number] >= 0) return [];
      const others = roles.filter((role) => role !== "student" && finders[role][number] >= 0);
      const who = others.map((role) => {
        const one = image.found[role][finders[role][number]];
        return `${theme.role(role).name} ${formatPercent(one.score, 0)}`;
      });
      const text = `${classes[object.class]}, ${placeOf(object.box)}: ${who.length ? `found by ${who.join(" and ")}` : "found by none"}`;
      const choose = () => this.#choose(this.#image, object.cell);
      return [html("li", {}, html("button", { type: "button", onclick: choose }, text))];
    });
    const { name } = theme.role("student");
    const heading = lines.length
      ? `${name} missed ${lines.length} of ${image.truth.length}:`
      : `${name} missed none here.`;
    this.missed.replaceChildren(html("p", {}, heading), html("ul", {}, lines));
  }

  /**
   * Return the true object of a cell, as the end of a heading.
   * @param {any} image
   * @param {number} cell
   * @param {string[]} classes
   */
  #objectAt(image, cell, classes) {
    const boxes = [...image.truth, ...ROLES.flatMap((role) => image.found[role] ?? [])];
    const one = boxes.find((/** @type {any} */ box) => box.cell === cell);
    return one ? ` (${classes[one.class]}, ${placeOf(one.box)})` : "";
  }

  destroy() {
    this.draw.cancel();
    this.slider.destroy();
    this.sides.destroy();
  }
}

export default mount(DetectedBoxes, import.meta.url, [
  "../shared/widgets/temperature_slider.css",
  "../shared/widgets/mirrored_bars.css",
  "../temperature/target_sources/option_slider.css",
  "detected_boxes.css",
]);
