// One image with its mask, and for every network its classes, its errors and its uncertainty at a temperature.
//
// Payload: src (the image), size [width, height], mask (bytes in base64, 255 without a label), logits {role: float32 in
// base64, height × width × classes}, classes [name], roles, networks {role: network}, names {role}, scores {role: mean
// IoU on the image}, sheet (see kd_core/analysis/examples/thumbnails.py) with the images that can be chosen, image (its
// position), temperature, temperatures [lowest, highest]. Sets the states temperature and image.

import { html, setAttributes, setText } from "../../shared/dom.js";
import { formatPercent } from "../../shared/format.js";
import { argmax, softmaxRows } from "../../shared/math/softmax.js";
import { mount, redrawScheduler } from "../../shared/mount.js";
import { parseColour, readNetworkTheme } from "../../shared/theme.js";
import { TemperatureSlider } from "../../shared/widgets/temperature_slider.js";
import {
  BETTER,
  classColours,
  NO_LABEL,
  paint,
  UNCERTAINTY_STOPS,
  uncertaintyColour,
  WORSE,
  WRONG,
} from "./pixel_colours.js";

const ROLES = ["teacher", "student", "baseline"];
const TILE = 44; // pixels of an image in the row of images

/** @param {string} text in base64 */
const decode = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

class Figure {
  constructor() {
    this.canvas = html("canvas");
    this.caption = html("figcaption");
    this.node = html("figure", {}, this.canvas, this.caption);
  }

  /**
   * @param {number[]} size
   * @param {(at: number) => number[]} colour
   * @param {string} label for screen readers
   * @param {string} caption
   */
  draw(size, colour, label, caption) {
    paint(this.canvas, size, colour);
    setAttributes(this.canvas, { role: "img", "aria-label": label });
    setText(this.caption, caption);
  }
}

class SegmentationMaps {
  /** @type {import("../../shared/mount.js").Callbacks["setStateValue"]} */
  setStateValue = () => {};
  /** @type {any} */
  spec = {};
  /** @type {Record<string, {logits: Float32Array, top: Uint8Array}>} */
  #maps = {};
  /** @type {Uint8Array} */
  #mask = new Uint8Array();

  /** @param {HTMLElement} root */
  constructor(root) {
    root.classList.add("dst-segmentation-maps");
    this.root = root;
    this.draw = redrawScheduler(() => this.#draw(), "segmentation_maps");
    this.slider = new TemperatureSlider({
      label: "Temperature T",
      onInput: this.draw,
      onChange: (value) => this.setStateValue("temperature", value),
      ends: ["surer", "all classes alike"],
    });
    this.images = html("div", { class: "dst-map-images", role: "group", "aria-label": "Images" });
    this.picture = html("img", { alt: "The image" });
    this.mask = new Figure();
    this.difference = new Figure();
    const first = html(
      "section",
      {},
      html("h3", {}, "Image and mask"),
      html("figure", {}, this.picture, html("figcaption", {}, "The image, as the networks get it.")),
      this.mask.node,
      this.difference.node,
    );
    this.columns = Object.fromEntries(
      ROLES.map((role) => {
        const figures = { classes: new Figure(), errors: new Figure(), unsure: new Figure() };
        const head = html("h3");
        const nodes = Object.values(figures).map(({ node }) => node);
        return [role, { ...figures, head, node: html("section", {}, head, nodes) }];
      }),
    );
    this.legend = html("div", { class: "dst-map-legend" });
    const columns = html(
      "div",
      { class: "dst-map-columns" },
      first,
      ROLES.map((role) => this.columns[role].node),
    );
    root.append(this.images, this.slider.node, columns, this.legend);
  }

  /**
   * @param {any} data
   * @param {import("../../shared/mount.js").Callbacks} callbacks
   */
  update(data, { setStateValue }) {
    this.spec = data;
    this.setStateValue = setStateValue;
    const count = data.classes.length;
    this.#mask = decode(data.mask);
    this.#maps = {};
    for (const [role, text] of Object.entries(data.logits)) {
      const logits = new Float32Array(decode(/** @type {string} */ (text)).buffer);
      const top = Uint8Array.from(this.#mask, (_, at) => argmax(logits, at * count, count));
      this.#maps[role] = { logits, top };
    }
    setAttributes(this.picture, { src: data.src });
    this.#drawImages();
    this.slider.update(data.temperature ?? 1, data.temperatures ?? [0.25, 16]);
    this.draw();
  }

  #drawImages() {
    const { src, columns, width, height, count } = this.spec.sheet;
    const scale = TILE / Math.max(width, height);
    const size = `${columns * width * scale}px auto`;
    const tiles = Array.from({ length: count }, (_, i) => {
      const [x, y] = [(i % columns) * width * scale, Math.floor(i / columns) * height * scale];
      const style = `background-image: url(${src}); background-size: ${size}; background-position: -${x}px -${y}px`;
      const onclick = () => this.setStateValue("image", i);
      const pressed = String(i === this.spec.image);
      return html("button", {
        type: "button",
        style,
        onclick,
        "aria-pressed": pressed,
        "aria-label": `Image ${i + 1}`,
      });
    });
    const left = this.images.scrollLeft;
    const focused = [...this.images.children].indexOf(/** @type {Element} */ (this.#active));
    this.images.replaceChildren(...tiles);
    this.images.scrollLeft = left;
    tiles[focused]?.focus();
  }

  get #active() {
    return /** @type {Document | ShadowRoot} */ (this.root.getRootNode()).activeElement;
  }

  #draw() {
    const { classes = [], size, scores = {} } = this.spec;
    if (!size) return;
    const theme = readNetworkTheme(this.root, this.spec);
    const colours = classColours(theme, classes.length);
    const [ground, plain] = [parseColour(theme.background), parseColour(theme.rule)];
    const wrong = parseColour(WRONG);
    const mask = this.#mask;
    const present = [...new Set(mask)].filter((k) => k !== NO_LABEL).map((k) => classes[k]);
    const named = `True classes: ${present.join(", ")}`;
    const isPartly = mask.includes(NO_LABEL);
    this.mask.draw(
      size,
      (at) => (mask[at] === NO_LABEL ? ground : colours[mask[at]]),
      named,
      `The mask: the true class of every pixel${isPartly ? "; without a colour: none is given" : ""}.`,
    );
    for (const role of ROLES) {
      const column = this.columns[role];
      const maps = this.#maps[role];
      column.node.hidden = !maps;
      if (!maps) continue;
      const { glyph, colour, name } = theme.role(role);
      const score = formatPercent(scores[role] ?? 0);
      column.head.replaceChildren(html("i", { style: `color: ${colour}` }, glyph), ` ${name}: ${score} mean IoU`);
      column.classes.draw(size, (at) => colours[maps.top[at]], `Classes that ${name} gives`, "The class it gives.");
      const isWrong = (/** @type {number} */ at) => mask[at] !== NO_LABEL && maps.top[at] !== mask[at];
      const errors = mask.reduce((sum, _, at) => sum + Number(isWrong(at)), 0) / mask.length;
      const share = `${formatPercent(errors)} of the pixels wrong`;
      column.errors.draw(
        size,
        (at) => (isWrong(at) ? wrong : plain),
        `Errors of ${name}: ${share}`,
        `Where it is wrong: ${share}.`,
      );
      this.#drawUncertainty(column.unsure, name, maps.logits);
    }
    this.#drawDifference(theme, size, plain);
    this.#drawLegend(colours);
  }

  /**
   * @param {Figure} figure
   * @param {string} name
   * @param {Float32Array} logits
   */
  #drawUncertainty(figure, name, logits) {
    const { classes, size } = this.spec;
    const count = classes.length;
    const { p, logp } = softmaxRows(logits, count, this.slider.value);
    const fractions = new Float64Array(size[0] * size[1]);
    let total = 0;
    for (let at = 0; at < fractions.length; at += 1) {
      for (let k = at * count; k < (at + 1) * count; k += 1) fractions[at] -= p[k] ? p[k] * logp[k] : 0;
      fractions[at] /= Math.log(count);
      total += fractions[at];
    }
    const mean = formatPercent(total / fractions.length);
    const text = `at T = ${this.slider.text}, on average ${mean} of the largest entropy`;
    figure.draw(
      size,
      (at) => uncertaintyColour(fractions[at]),
      `Uncertainty of ${name} ${text}`,
      `How unsure it is ${text}.`,
    );
  }

  /**
   * @param {import("../../shared/theme.js").Theme} theme
   * @param {number[]} size
   * @param {number[]} plain
   */
  #drawDifference(theme, size, plain) {
    const { student, baseline } = this.#maps;
    this.difference.node.hidden = !(student && baseline);
    if (!student || !baseline) return;
    const mask = this.#mask;
    const [better, worse] = [parseColour(BETTER), parseColour(WORSE)];
    const side = (/** @type {number} */ at) => {
      if (mask[at] === NO_LABEL) return 0;
      return Number(student.top[at] === mask[at]) - Number(baseline.top[at] === mask[at]);
    };
    const [gained, lost] = [1, -1].map((sign) => mask.reduce((sum, _, at) => sum + Number(side(at) === sign), 0));
    const [first, second] = [theme.role("student").name, theme.role("baseline").name];
    const text = `Orange: only ${first} is right (${gained} pixels). Purple: only ${second} (${lost}).`;
    this.difference.draw(size, (at) => [plain, better, worse].at(side(at)) ?? plain, text, text);
  }

  /** @param {number[][]} colours */
  #drawLegend(colours) {
    const { classes } = this.spec;
    const entries = classes.map((/** @type {string} */ name, /** @type {number} */ k) =>
      html("span", {}, html("i", { style: `background: rgb(${colours[k].join()})` }), name),
    );
    const scale = html("span", {
      class: "dst-map-scale",
      style: `background: linear-gradient(to right, ${UNCERTAINTY_STOPS})`,
    });
    this.legend.replaceChildren(...entries, html("span", {}, "sure"), scale, html("span", {}, "unsure"));
  }

  destroy() {
    this.draw.cancel();
    this.slider.destroy();
  }
}

export default mount(SegmentationMaps, import.meta.url, [
  "../../shared/widgets/temperature_slider.css",
  "segmentation_maps.css",
]);
