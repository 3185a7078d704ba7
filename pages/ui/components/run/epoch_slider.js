// Slider that chooses the evaluation of a run that all components of the page show.
//
// Payload: live, autoplay, empty, evaluation (the first choice, -1 for the latest; without it no choice is
// reported).
// Frames: the evaluations, {x, label, phase, accuracy: {role}}. Sets the state evaluation when the user chooses one.

import { html, setAttributes, setText, svg } from "../shared/dom.js";
import { mount, redrawScheduler } from "../shared/mount.js";
import { FrameFeed } from "../shared/state/frame_feed.js";
import { Playhead } from "../shared/state/playhead.js";
import { prefersReducedMotion } from "../shared/theme.js";

const STEP_INTERVAL = 100; // milliseconds between two evaluations of the replay
const MAX_REPLAY = 12_000; // milliseconds
const PAUSE_ICON = "M4 2h3v12H4zM9 2h3v12H9z";
const PLAY_ICON = "M4 2l10 6-10 6z";

class EpochSlider {
  /** @type {import("../shared/mount.js").Callbacks["setStateValue"]} */
  setStateValue = () => {};
  #feed = new FrameFeed();
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer = undefined;
  #hasPlayed = false;
  /** @type {any} */
  spec = {};

  /** @param {HTMLElement} root */
  constructor(root) {
    root.classList.add("dst-epoch-slider");
    this.draw = redrawScheduler(() => this.#draw());
    const toggle = () => (this.#timer ? this.#stop() : this.#start());
    this.icon = svg("path", {});
    this.play = html(
      "button",
      { type: "button", class: "dst-play", onclick: toggle },
      svg("svg", { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" }, this.icon),
    );
    const listeners = { oninput: () => this.#onInput(), onchange: () => this.#report() };
    this.slider = html("input", { type: "range", min: 0, step: 1, "aria-label": "Epoch of the run", ...listeners });
    this.phases = html("div", { class: "dst-phases", "aria-hidden": "true" });
    this.label = html("output", { class: "dst-label" });
    this.latest = html("button", { type: "button", class: "dst-latest", onclick: () => this.#showLatest() }, "Latest");
    this.empty = html("p", { class: "dst-empty" });
    const track = html("div", { class: "dst-track" }, this.slider, this.phases);
    this.body = html("div", { class: "dst-bar" }, this.play, track, this.label, this.latest);
    root.append(this.empty, this.body);
    this.playhead = new Playhead(this.draw);
  }

  /**
   * @param {any} data
   * @param {import("../shared/mount.js").Callbacks} callbacks
   */
  update(data, { setStateValue, setTriggerValue }) {
    this.spec = data;
    this.setStateValue = setStateValue;
    const { isNewRun, start, frames } = this.#feed.receive(data, setTriggerValue);
    if (isNewRun) {
      this.#pause();
      this.#hasPlayed = false;
    }
    this.playhead.join(data.run);
    this.playhead.describe(start, frames);
    if (isNewRun && data.evaluation >= 0) this.playhead.choose(Math.min(data.evaluation, Math.max(0, this.#last)));
    const hasEvaluations = this.playhead.evaluations.length > 1;
    if (data.autoplay && !this.#hasPlayed && hasEvaluations && !prefersReducedMotion()) this.#start();
    this.#hasPlayed ||= hasEvaluations;
    this.draw();
  }

  get #last() {
    return this.playhead.evaluations.length - 1;
  }

  #onInput() {
    this.#pause();
    this.playhead.choose(Number(this.slider.value));
  }
  #showLatest() {
    this.#pause();
    this.playhead.choose(null);
    this.#report();
  }
  #stop() {
    this.#pause();
    this.#report();
  }
  #report() {
    if (this.spec.evaluation !== undefined) this.setStateValue("evaluation", this.playhead.chosen ?? -1);
  }

  /** Replay the run. Evaluations of a long run are skipped, so that it takes at most MAX_REPLAY. */
  #start() {
    if (this.playhead.index >= this.#last) this.playhead.choose(0);
    const stride = Math.max(1, Math.ceil((this.#last * STEP_INTERVAL) / MAX_REPLAY));
    this.#timer = setInterval(() => {
      const next = Math.min(this.#last, this.playhead.index + stride);
      this.playhead.choose(next);
      if (next === this.#last) this.#showLatest();
    }, STEP_INTERVAL);
    this.draw();
  }
  #pause() {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.draw();
  }

  #draw() {
    const { evaluations, chosen, index } = this.playhead;
    this.empty.hidden = evaluations.length > 0;
    this.body.hidden = evaluations.length === 0;
    setText(this.empty, this.spec.empty ?? "The run has not reached its first epoch.");
    if (evaluations.length === 0) return;
    const { label } = this.playhead.at(index);
    setAttributes(this.slider, { max: this.#last, "aria-valuetext": label ?? `evaluation ${index + 1}` });
    if (Number(this.slider.value) !== index) this.slider.value = String(index);
    setText(this.label, label ?? "");
    setText(this.latest, this.spec.live ? "Live" : "Latest");
    const isLive = String(Boolean(this.spec.live));
    setAttributes(this.latest, { "aria-pressed": String(chosen === null), "data-live": isLive });
    setAttributes(this.icon, { d: this.#timer ? PAUSE_ICON : PLAY_ICON });
    setAttributes(this.play, { "aria-label": this.#timer ? "Pause the replay" : "Replay the run" });
    this.#drawPhases(evaluations);
  }

  /**
   * Write the name of each phase where it begins.
   * @param {import("../shared/state/playhead.js").Evaluation[]} evaluations
   */
  #drawPhases(evaluations) {
    const starts = evaluations
      .map(({ phase }, i) => ({ phase, i }))
      .filter(({ phase, i }) => phase && phase !== evaluations[i - 1]?.phase);
    const key = JSON.stringify([starts, evaluations.length]);
    if (key === this.phases.dataset.key) return;
    this.phases.dataset.key = key;
    const last = Math.max(1, this.#last);
    const spans = starts.map(({ phase, i }, at) => {
      const from = i / last;
      const to = (starts[at + 1]?.i ?? this.#last) / last;
      const style = `left: calc(11px + ${from} * (100% - 22px)); width: calc(${to - from} * (100% - 22px))`;
      return html("span", { style }, phase);
    });
    this.phases.replaceChildren(...spans);
  }

  destroy() {
    clearInterval(this.#timer);
    this.draw.cancel();
    this.playhead.leave();
  }
}

export default mount(EpochSlider, import.meta.url, ["epoch_slider.css"]);
