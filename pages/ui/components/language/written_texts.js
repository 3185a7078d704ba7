// Texts of teacher, student and baseline after the same beginning, at a temperature that moves with the slider.
//
// Payload: roles, networks {role: the network that is this role}, names {role}, temperature, temperatures [lowest,
// highest], view (components with the same one share the temperature), after (the text before the chosen character),
// empty {role: sentence}. Frames: {evaluation, beginning, temperatures, texts: {network: [text per temperature]},
// surprise: {network: [[bits per character] per temperature]}}, each with the networks whose texts have changed. Sets
// the states temperature and place, the text before a character and that character.

import { html, setAttributes } from "../shared/dom.js";
import { formatTemperature } from "../shared/format.js";
import { mount, redrawScheduler } from "../shared/mount.js";
import { FrameFeed } from "../shared/state/frame_feed.js";
import { lastUpTo, Playhead } from "../shared/state/playhead.js";
import { readTheme } from "../shared/theme.js";
import { TemperatureSlider } from "../shared/widgets/temperature_slider.js";
import { SharedTemperature, SLIDER } from "./shared_temperature.js";
import { COLOURS, nearest } from "./surprise_scale.js";
import { TextView } from "./text_view.js";

const ROLES = ["teacher", "student", "baseline"];
/** @typedef {{evaluation: number, beginning: string, temperatures: number[], texts: string[], bits: number[][] | null}} Frame */

class WrittenTexts {
  /** @type {import("../shared/mount.js").Callbacks["setStateValue"]} */
  setStateValue = () => {};
  #feed = new FrameFeed();
  /** By network. @type {Record<string, Frame[]>} */
  #frames = {};
  #after = "";
  /** @type {unknown} */
  #lastAfter = undefined;
  /** @type {any} */
  spec = {};

  /** @param {HTMLElement} root */
  constructor(root) {
    root.classList.add("dst-written-texts");
    this.root = root;
    this.draw = redrawScheduler(() => this.#draw(), "written_texts");
    this.playhead = new Playhead(this.draw);
    this.shared = new SharedTemperature((value) => !this.slider.isHeld && this.slider.show(value));
    this.slider = new TemperatureSlider({
      label: "Temperature T",
      onInput: () => {
        this.shared.set(this.slider.value);
        this.draw();
      },
      onChange: (value) => this.setStateValue("temperature", value),
      ...SLIDER,
    });
    this.views = Object.fromEntries(ROLES.map((role) => [role, new TextView((...place) => this.#choose(...place))]));
    const columns = html(
      "div",
      { class: "dst-text-columns" },
      ROLES.map((role) => this.views[role].node),
    );
    this.legend = html(
      "div",
      { class: "dst-text-legend" },
      html("span", {}, "The teacher’s probability of each character:"),
      html("span", {}, "≤ 0.4 %"),
      html("span", { class: "dst-colour-bar", "aria-hidden": "true" }),
      html("span", {}, "100 %"),
      html("span", { class: "dst-unlikely" }, "below 5 %"),
    );
    const stops = COLOURS.map(({ background }) => background).join(", ");
    setAttributes(this.legend.children[2], { style: `background: linear-gradient(to right, ${stops})` });
    this.empty = html("p", { class: "dst-empty" }, "The first text appears in a few seconds.");
    this.body = html("div", {}, this.slider.node, columns, this.legend);
    root.append(this.empty, this.body);
  }

  /**
   * @param {any} data
   * @param {import("../shared/mount.js").Callbacks} callbacks
   */
  update(data, { setStateValue, setTriggerValue }) {
    this.spec = data;
    this.setStateValue = setStateValue;
    const { isNewRun, frames } = this.#feed.receive(data, setTriggerValue);
    if (isNewRun) this.#frames = {};
    this.playhead.join(data.run);
    this.shared.join(data.view ?? "");
    for (const { evaluation, beginning, temperatures, texts, surprise } of frames) {
      for (const [network, written] of Object.entries(texts)) {
        this.#frames[network] ??= [];
        const bits = surprise[network] ?? null;
        this.#frames[network].push({ evaluation, beginning, temperatures, texts: /** @type {any} */ (written), bits });
      }
    }
    if (data.after !== this.#lastAfter) this.#after = data.after ?? "";
    this.#lastAfter = data.after;
    this.slider.update(data.temperature ?? 1, data.temperatures ?? [0.3, 2]);
    this.draw();
  }

  /**
   * @param {string} after
   * @param {string} next
   */
  #choose(after, next) {
    this.#after = after;
    this.draw();
    this.setStateValue("place", { after, next });
  }

  #draw() {
    const { roles = ROLES, networks = {}, names = {}, empty = {} } = this.spec;
    const hasTexts = Object.keys(this.#frames).length > 0;
    this.empty.hidden = hasTexts;
    this.body.hidden = !hasTexts;
    if (!hasTexts) return;
    const theme = readTheme(this.root);
    let hasColours = false;
    let at = this.slider.value;
    for (const role of ROLES) {
      const view = this.views[role];
      view.node.hidden = !roles.includes(role);
      const network = networks[role] ?? role;
      const frame = lastUpTo(this.#frames[network] ?? [], this.playhead.evaluation);
      const style = theme.role(network);
      const look = { ...style, name: names[role] ?? style.name };
      if (!frame) {
        view.update(look, null, empty[role] ?? "It has not begun to learn.");
        continue;
      }
      const index = nearest(frame.temperatures, this.slider.value);
      at = frame.temperatures[index];
      const bits = frame.bits?.[index] ?? null;
      hasColours ||= bits !== null;
      view.update(look, { beginning: frame.beginning, text: frame.texts[index], bits, after: this.#after }, "");
    }
    this.legend.hidden = !hasColours;
    this.slider.setValueText(`${this.slider.text}; texts written at ${formatTemperature(at)}`);
  }

  destroy() {
    this.draw.cancel();
    this.playhead.leave();
    this.shared.leave();
    this.slider.destroy();
  }
}

export default mount(WrittenTexts, import.meta.url, ["../shared/widgets/temperature_slider.css", "written_texts.css"]);
