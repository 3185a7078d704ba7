// Soft targets of a few examples during a run, as mirrored bars with a temperature slider.
//
// Payload: classes [name], temperature, temperatures [lowest, highest], images [{src, x, y, label, title}], image (the
// first choice), isEachAnAnswer (whether every class is a yes or no of its own, and a label is a list), roles, networks
// {role: the network shown as this role}, names {role}, empty. Frames: {evaluation, logits: {role: [[K numbers] for each
// image]}}. Sets the states temperature and image.

import { html, setAttributes, setText, svg } from "../../shared/dom.js";
import { formatNumber } from "../../shared/format.js";
import { divergenceOfAnswers, entropy, entropyOfAnswers, klDivergence } from "../../shared/math/softmax.js";
import { mount, observeWidth, redrawScheduler } from "../../shared/mount.js";
import { FrameFeed } from "../../shared/state/frame_feed.js";
import { lastUpTo, Playhead } from "../../shared/state/playhead.js";
import { readNetworkTheme } from "../../shared/theme.js";
import { savePng, saveSvg, standaloneSvg, toolButton } from "../../shared/widgets/export.js";
import { MirroredBars } from "../../shared/widgets/mirrored_bars.js";
import { ScaleToggle } from "../../shared/widgets/scale_toggle.js";
import { describeTopClasses, namedValue, valueLine } from "../../shared/widgets/summaries.js";
import { TemperatureSlider } from "../../shared/widgets/temperature_slider.js";
import { ExamplePicker } from "./example_picker.js";

/** @typedef {import("../../shared/theme.js").Theme} Theme */

const ROLES = ["teacher", "student", "baseline"];
const FILE_NAME = "soft-targets";
const MAX_HEIGHT = 560; // pixels; higher charts scroll

class SoftTargets {
  /** @type {import("../../shared/mount.js").Callbacks["setStateValue"]} */
  setStateValue = () => {};
  #feed = new FrameFeed();
  /** By network. @type {Record<string, {evaluation: number, values: number[][]}[]>} */
  #frames = {};
  #width = 0;
  /** @type {any} */
  spec = {};

  /** @param {HTMLElement} root */
  constructor(root) {
    root.classList.add("dst-soft-targets");
    this.root = root;
    this.draw = redrawScheduler(() => this.#draw(), "soft_targets");
    this.empty = html("p", { class: "dst-empty", hidden: true });
    this.examples = new ExamplePicker((i) => {
      this.draw();
      this.setStateValue("image", i);
    });
    this.title = html("span", { class: "dst-title" });
    this.scale = new ScaleToggle(this.draw);
    this.chart = svg("svg");
    this.bars = new MirroredBars(this.chart);
    this.scroll = html("div", { class: "dst-rows" }, this.chart);
    const drawing = () => standaloneSvg(this.chart);
    const saveImage = () => savePng(FILE_NAME, drawing(), this.chart.getBoundingClientRect());
    const tools = html(
      "div",
      { class: "dst-tools" },
      toolButton("SVG", "Download the bars as SVG", () => saveSvg(FILE_NAME, drawing())),
      toolButton("PNG", "Download the bars as PNG", saveImage),
    );
    this.picture = html("img", { class: "dst-picture", alt: "", hidden: true, draggable: "false" });
    const showTrained = () => this.#showTrained();
    this.relink = html("button", { type: "button", class: "dst-relink", hidden: true, onclick: showTrained });
    this.slider = new TemperatureSlider({
      label: "View at T",
      onInput: this.draw,
      onChange: (value) => this.setStateValue("temperature", value),
    });
    this.summaries = html("div", { class: "dst-summaries" });
    const header = html("div", { class: "dst-head" }, this.title, this.scale.node);
    const chosen = html("div", { class: "dst-chosen" }, this.picture, html("div", {}, this.examples.node, header));
    const view = html("div", {}, this.slider.node, this.relink);
    this.body = html("div", {}, chosen, this.scroll, view, this.summaries, tools);
    root.append(this.empty, this.body);
    this.playhead = new Playhead(this.draw);
    this.stopObserving = observeWidth(this.scroll, (width) => {
      this.#width = width;
      this.draw();
    });
  }

  /**
   * @param {any} data
   * @param {import("../../shared/mount.js").Callbacks} callbacks
   */
  update(data, { setStateValue, setTriggerValue }) {
    const { isNewRun, frames } = this.#feed.receive(data, setTriggerValue);
    const images = this.#feed.retained(data, "images", []);
    const roles = ROLES.filter((role) => (data.roles ?? ROLES).includes(role));
    this.spec = { classes: [], ...data, images, roles };
    this.setStateValue = setStateValue;
    if (isNewRun) this.#frames = {};
    this.playhead.join(data.run);
    for (const { evaluation, logits } of frames) {
      for (const [role, values] of Object.entries(logits)) {
        this.#frames[role] ??= [];
        this.#frames[role].push({ evaluation, values });
      }
    }
    this.examples.update(images, data.image);
    this.slider.update(data.temperature ?? 4, data.temperatures ?? [0.5, 20]);
    this.draw();
  }

  /** Return to the temperature of the training, which the view then follows again. */
  #showTrained() {
    this.slider.choose(this.spec.temperature);
  }

  /** @param {string} role */
  logits(role) {
    const frames = this.#frames[this.spec.networks?.[role] ?? role] ?? [];
    return lastUpTo(frames, this.playhead.evaluation)?.values[this.examples.chosen] ?? null;
  }

  #draw() {
    const { classes, images, roles } = this.spec;
    const ofRole = (/** @type {string} */ role) => /** @type {[string, number[]]} */ ([role, this.logits(role)]);
    const logits = Object.fromEntries(
      roles.map(ofRole).filter((/** @type {[string, number[] | null]} */ [, values]) => values),
    );
    const isEmpty = images.length === 0 || !Object.values(this.#frames).some((list) => list.length);
    this.empty.hidden = !isEmpty;
    this.body.hidden = isEmpty;
    setText(this.empty, this.spec.empty ?? "No predictions yet.");
    if (isEmpty || !this.#width) return;
    const theme = readNetworkTheme(this.root, this.spec);
    const image = images[this.examples.chosen];
    setText(this.title, image.title ?? "");
    this.picture.hidden = !image.src;
    if (image.src && this.picture.getAttribute("src") !== image.src) setAttributes(this.picture, { src: image.src });
    const temperature = this.slider.value;
    const data = {
      classes,
      roles,
      logits,
      label: image.label ?? null,
      isEachAnAnswer: Boolean(this.spec.isEachAnAnswer),
      temperature,
      log: this.scale.log,
      row: classes.length > 3 ? 24 : 60,
    };
    const logp = this.bars.draw(theme, this.#width, data);
    this.scroll.tabIndex = this.bars.height > MAX_HEIGHT ? 0 : -1;
    const trained = this.spec.temperature;
    this.relink.hidden = Math.abs(temperature - trained) < 0.005;
    setText(this.relink, `Back to the T of the training, ${formatNumber(trained)}`);
    this.#describe(logp, theme, image);
  }

  /**
   * @param {Record<string, number[]>} logp
   * @param {Theme} theme
   * @param {import("./example_picker.js").Example} image
   */
  #describe(logp, theme, image) {
    const { classes, names = {}, isEachAnAnswer } = this.spec;
    const labels = [image.label ?? []].flat();
    const description = describeTopClasses(logp, classes);
    this.slider.setValueText(`Temperature ${this.slider.text}, ${description}`);
    const subject = `${image.title ?? "the example"}, true class ${labels.map((label) => classes[label]).join(" and ") || "unknown"}`;
    const label = `Probabilities at temperature ${this.slider.text} for ${subject}: ${description}.`;
    setAttributes(this.chart, { role: "img", "aria-label": label });
    const entropies = Object.entries(logp).map(([role, values]) => {
      const style = theme.role(role);
      return namedValue(style.name, (isEachAnAnswer ? entropyOfAnswers : entropy)(values).toFixed(2), style);
    });
    const distances = ["student", "baseline"]
      .filter((role) => logp.teacher && logp[role])
      .map((role) => {
        const pair = [names.teacher ?? "teacher", names[role] ?? role].join(" ‖ ");
        return namedValue(
          pair,
          formatNumber((isEachAnAnswer ? divergenceOfAnswers : klDivergence)(logp.teacher, logp[role])),
        );
      });
    const lines = [valueLine("Entropy (nats)", entropies), valueLine("KL divergence (nats)", distances)];
    this.summaries.replaceChildren(...lines.filter((line) => line !== null));
  }

  destroy() {
    this.draw.cancel();
    this.stopObserving();
    this.playhead.leave();
    this.slider.destroy();
  }
}

export default mount(SoftTargets, import.meta.url, [
  "../../shared/widgets/temperature_slider.css",
  "../../shared/widgets/export.css",
  "../../shared/widgets/mirrored_bars.css",
  "soft_targets.css",
]);
