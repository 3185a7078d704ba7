// Temperature slider of the whole page with a small picture of the input, fixed to the bottom of the window. It also
// fills the store.
//
// Payload: run, from and frames of the feed, store (its name), classes, splits, split (the current one), sheet (a sprite
// sheet) or points, snapshot, temperature, temperatures (lowest and highest). Sets the state temperature.

import { html, setAttributes } from "../shared/dom.js";
import { logSoftmax } from "../shared/math/softmax.js";
import { mount, redrawScheduler } from "../shared/mount.js";
import { FrameFeed } from "../shared/state/frame_feed.js";
import { readTheme } from "../shared/theme.js";
import { describeTopClasses } from "../shared/widgets/summaries.js";
import { TemperatureSlider } from "../shared/widgets/temperature_slider.js";
import { inputThumbnail } from "./shared/input_thumbnail.js";
import { TemperatureStore } from "./shared/store.js";

const PICTURE = 56; // pixels of the input

class Dock {
  #feed = new FrameFeed();
  /** @type {import("../shared/mount.js").Callbacks["setStateValue"]} */
  setStateValue = () => {};
  /** Joined by the first update. @type {TemperatureStore} */
  store = /** @type {any} */ (null);

  /** @param {HTMLElement} root */
  constructor(root) {
    root.classList.add("dst-dock");
    this.draw = redrawScheduler(() => this.#draw(), "dock");
    this.changed = () => this.draw();
    this.slider = new TemperatureSlider({
      onInput: () => this.store?.set({ temperature: this.slider.value }),
      onChange: (value) => this.setStateValue("temperature", value),
    });
    this.root = root;
    this.picture = html("div", { class: "dst-dock-input", hidden: true });
    /** What the picture was drawn from. @type {unknown[]} */
    this.drawnInput = [];
    root.append(this.picture, this.slider.node);
    this.onKey = (/** @type {KeyboardEvent} */ event) => this.#onKey(event);
    document.addEventListener("keydown", this.onKey);
  }

  /**
   * @param {any} data
   * @param {import("../shared/mount.js").Callbacks} callbacks
   */
  update(data, { setStateValue, setTriggerValue }) {
    this.setStateValue = setStateValue;
    if (this.store?.name !== data.store) {
      this.store?.leave(this.changed);
      this.store = TemperatureStore.join(data.store, this.changed);
    }
    const { frames } = this.#feed.receive(data, setTriggerValue);
    for (const frame of frames) this.store.add(frame);
    const entry = (/** @type {"classes" | "splits" | "sheet" | "points"} */ name) => [
      name,
      this.#feed.retained(data, name, this.store[name]),
    ];
    const fields = Object.fromEntries(/** @type {const} */ (["classes", "splits", "sheet", "points"]).map(entry));
    this.slider.update(data.temperature, data.temperatures);
    this.store.set({
      ...fields,
      split: data.split ?? "test",
      snapshot: data.snapshot ?? -1,
      temperature: this.slider.value,
      temperatures: data.temperatures,
    });
  }

  /**
   * Change the temperature with [ and ] from anywhere but a text field.
   * @param {KeyboardEvent} event
   */
  #onKey(event) {
    const steps = { "[": -1, "]": 1 }[event.key];
    if (!steps || event.ctrlKey || event.metaKey || event.altKey || isTextField(event.composedPath()[0])) return;
    this.slider.step(steps);
  }

  #draw() {
    const { logits, classes } = this.store.input;
    const soften = (/** @type {[string, number[]]} */ [role, values]) => [role, logSoftmax(values, this.slider.value)];
    const description = describeTopClasses(Object.fromEntries(Object.entries(logits).map(soften)), classes);
    this.slider.setValueText(`Temperature ${this.slider.text}${description ? `, ${description}` : ""}`);
    this.#drawPicture();
  }

  #drawPicture() {
    const { custom, index, sheet, points, classes, labels } = this.store;
    const theme = readTheme(this.root);
    const input = [custom, index, sheet, points, classes, theme.dark];
    if (input.every((part, i) => part === this.drawnInput[i])) return;
    this.drawnInput = input;
    this.picture.hidden = labels.length === 0 && !custom;
    if (this.picture.hidden) return;
    const { title, label } = this.store.input;
    const name = label === null ? title : `${title}, true class ${classes[label]}`;
    setAttributes(this.picture, { role: "img", "aria-label": `Input: ${name}` });
    this.picture.replaceChildren(inputThumbnail(this.store, theme, PICTURE));
  }

  destroy() {
    document.removeEventListener("keydown", this.onKey);
    this.draw.cancel();
    this.store?.leave(this.changed);
    this.slider.destroy();
  }
}

/** @param {EventTarget} target */
function isTextField(target) {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return target.type !== "range";
  return target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

export default mount(Dock, import.meta.url, [
  "../shared/widgets/temperature_slider.css",
  "shared/figure.css",
  "dock.css",
]);
