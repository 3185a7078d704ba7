// Next-character distributions of teacher, student and baseline after one text, at T, with top-k and top-p.
//
// Payload: classes [name], logits {role: [K numbers]}, roles, networks {role: network}, names {role}, after (end of the
// text), next (position of the character that was written, or null), temperature, temperatures [lowest, highest], view
// (see written_texts.js), sampling [{name: "top_k" or "top_p", label, low, high, step, value}]. Sets the states
// temperature, top_k and top_p.

import { html, setAttributes, setText, svg } from "../shared/dom.js";
import { formatPercent } from "../shared/format.js";
import { logSoftmax } from "../shared/math/softmax.js";
import { mount, observeWidth, redrawScheduler } from "../shared/mount.js";
import { readNetworkTheme } from "../shared/theme.js";
import { MirroredBars } from "../shared/widgets/mirrored_bars.js";
import { ScaleToggle } from "../shared/widgets/scale_toggle.js";
import { describeTopClasses } from "../shared/widgets/summaries.js";
import { TemperatureSlider } from "../shared/widgets/temperature_slider.js";
import { OptionSlider } from "../temperature/target_sources/option_slider.js";
import { remaining, renormalise } from "./sampling.js";
import { SharedTemperature, SLIDER } from "./shared_temperature.js";

const ROLES = ["teacher", "student", "baseline"];
const ROW = 18; // pixels, so that the characters of a small alphabet are in view together
const MAX_NAMED = 8; // characters that a sentence names

class NextCharacter {
  /** @type {import("../shared/mount.js").Callbacks["setStateValue"]} */
  setStateValue = () => {};
  #width = 0;
  /** @type {any} */
  spec = {};

  /** @param {HTMLElement} root */
  constructor(root) {
    root.classList.add("dst-next-character");
    this.root = root;
    this.draw = redrawScheduler(() => this.#draw(), "next_character");
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
    const option = (/** @type {string} */ name, /** @type {string} */ label) =>
      new OptionSlider({ name, label }, { onInput: this.draw, onChange: (value) => this.setStateValue(name, value) });
    this.topK = option("top_k", "Top-k, 0 for all");
    this.topP = option("top_p", "Top-p, 1 for all");
    this.title = html("span", { class: "dst-title" });
    this.scale = new ScaleToggle(this.draw);
    this.chart = svg("svg");
    this.bars = new MirroredBars(this.chart);
    this.scroll = html("div", { class: "dst-rows" }, this.chart);
    this.remains = html("div", { class: "dst-remains", role: "status" });
    const head = html("div", { class: "dst-head" }, this.title, this.scale.node);
    const sampling = html("div", { class: "dst-sampling" }, this.topK.node, this.topP.node);
    root.append(head, this.slider.node, sampling, this.remains, this.scroll);
    this.stopObserving = observeWidth(this.scroll, (width) => {
      this.#width = width;
      this.draw();
    });
  }

  /**
   * @param {any} data
   * @param {import("../shared/mount.js").Callbacks} callbacks
   */
  update(data, { setStateValue }) {
    this.spec = data;
    this.setStateValue = setStateValue;
    this.shared.join(data.view ?? "");
    for (const spec of data.sampling ?? []) (spec.name === "top_k" ? this.topK : this.topP).update(spec);
    this.slider.update(data.temperature ?? 1, data.temperatures ?? [0.3, 2]);
    this.draw();
  }

  #draw() {
    const { classes = [], logits = {}, after = "", next = null } = this.spec;
    if (!this.#width || !classes.length) return;
    const roles = ROLES.filter((role) => logits[role]);
    const theme = readNetworkTheme(this.root, this.spec);
    const temperature = this.slider.value;
    /** @type {Record<string, boolean[]>} */
    const remains = {};
    for (const role of roles) {
      remains[role] = remaining(logSoftmax(logits[role], temperature), this.topK.value, this.topP.value);
    }
    const truncate = (/** @type {string} */ role, /** @type {number[]} */ logp) => renormalise(logp, remains[role]);
    const data = { classes, roles, logits, label: null, temperature, log: this.scale.log, row: ROW, truncate };
    const logp = this.bars.draw(theme, this.#width, data);
    const place = after.length > 40 ? `…${after.slice(-40)}` : after;
    const written = next === null ? "" : `, where “${classes[next]}” was written`;
    setText(this.title, `After “${place}”${written}`);
    const tops = describeTopClasses(logp, classes);
    this.slider.setValueText(`${this.slider.text}, ${tops}`);
    setAttributes(this.chart, {
      role: "img",
      "aria-label": `Probabilities of the next character at temperature ${this.slider.text}: ${tops}.`,
    });
    const isTruncated = roles.some((role) => remains[role].includes(false));
    const lines = isTruncated ? roles.map((role) => this.#remainsOf(role, remains[role], theme)) : [];
    this.remains.replaceChildren(...lines);
    this.scroll.tabIndex = this.bars.height > this.scroll.clientHeight ? 0 : -1;
  }

  /**
   * Return which characters of a network remain, the most likely first, and how likely these were together.
   * @param {string} role
   * @param {boolean[]} remains
   * @param {ReturnType<typeof readNetworkTheme>} theme
   */
  #remainsOf(role, remains, theme) {
    const { classes, logits } = this.spec;
    const logp = logSoftmax(logits[role], this.slider.value);
    const ranked = remains.flatMap((is, k) => (is ? [k] : [])).sort((a, b) => logp[b] - logp[a]);
    const sum = ranked.reduce((total, k) => total + Math.exp(logp[k]), 0);
    const named = ranked.slice(0, MAX_NAMED).map((k) => classes[k]);
    const more = ranked.length > MAX_NAMED ? " …" : "";
    const { glyph, colour, name } = theme.role(role);
    const text = ` ${name} draws from ${ranked.length} of ${classes.length}: ${named.join(" ")}${more}`;
    return html("p", {}, html("i", { style: `color: ${colour}` }, glyph), `${text} (${formatPercent(sum)})`);
  }

  destroy() {
    this.draw.cancel();
    this.shared.leave();
    this.slider.destroy();
    this.stopObserving();
  }
}

export default mount(NextCharacter, import.meta.url, [
  "../shared/widgets/temperature_slider.css",
  "../shared/widgets/mirrored_bars.css",
  "../temperature/target_sources/option_slider.css",
  "next_character.css",
]);
