// The epoch slider: it registers the run's moments and chooses the one that every component of the page shows.
//
// Payload: live, autoplay, empty, picked (the moment shown at first, -1 the latest; without it nothing is reported).
// Frames: the moments, {x, label, phase, accuracy: {role}}. Sets the state picked when somebody has chosen a moment.

const STEP = 100; // milliseconds between two moments of a replay
const LONGEST = 12000; // a replay takes no longer than this

class Scrubber {
  #feed = new Feed();
  #timer = 0;
  #autoplayed = false;

  constructor(root) {
    root.classList.add("dst-scrubber");
    this.draw = redrawing(() => this.#draw());
    this.play = html("button", { type: "button", class: "dst-play", onclick: () => (this.#timer ? this.#rest() : this.#start()) });
    this.icon = svg("path", {});
    this.play.append(svg("svg", { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" }, this.icon));
    this.slider = html("input", { type: "range", min: 0, step: 1, "aria-label": "Moment of the run", oninput: () => this.#slide(), onchange: () => this.#tell() });
    this.phases = html("div", { class: "dst-phases", "aria-hidden": "true" });
    this.label = html("output", { class: "dst-label" });
    this.latest = html("button", { type: "button", class: "dst-latest", onclick: () => this.#toLatest() });
    this.empty = html("p", { class: "dst-empty" });
    this.body = html("div", { class: "dst-bar" }, this.play, html("div", { class: "dst-track" }, this.slider, this.phases), this.label, this.latest);
    root.append(this.empty, this.body);
    this.moments = new Moments(this.draw);
  }

  update(data, { setStateValue, setTriggerValue }) {
    this.spec = data;
    this.setStateValue = setStateValue;
    const { cleared, start, fresh } = this.#feed.take(data, setTriggerValue);
    if (cleared) {
      this.#pause();
      this.#autoplayed = false;
    }
    this.moments.join(data.run);
    this.moments.describe(start, fresh);
    if (cleared && data.picked >= 0) this.moments.pick(Math.min(data.picked, Math.max(0, this.#last)));
    if (data.autoplay && !this.#autoplayed && this.moments.list.length > 1 && !reducedMotion()) this.#start();
    this.#autoplayed ||= this.moments.list.length > 1;
    this.draw();
  }

  get #last() {
    return this.moments.list.length - 1;
  }

  #slide() {
    this.#pause();
    this.moments.pick(Number(this.slider.value));
  }
  #toLatest() {
    this.#pause();
    this.moments.pick(null);
    this.#tell();
  }
  #rest() {
    this.#pause();
    this.#tell();
  }
  #tell() {
    if (this.spec.picked !== undefined) this.setStateValue("picked", this.moments.picked ?? -1);
  }

  // A long run skips moments rather than outlasting the viewer's patience.
  #start() {
    if (this.moments.index >= this.#last) this.moments.pick(0);
    const stride = Math.max(1, Math.ceil((this.#last * STEP) / LONGEST));
    this.#timer = setInterval(() => {
      const next = Math.min(this.#last, this.moments.index + stride);
      this.moments.pick(next);
      if (next === this.#last) this.#toLatest();
    }, STEP);
    this.draw();
  }
  #pause() {
    clearInterval(this.#timer);
    this.#timer = 0;
    this.draw();
  }

  #draw() {
    const { list, picked } = this.moments;
    const index = this.moments.index;
    this.empty.hidden = list.length > 0;
    this.body.hidden = list.length === 0;
    write(this.empty, this.spec.empty ?? "The run has not reached its first epoch.");
    if (list.length === 0) return;
    const { label } = this.moments.at(index);
    attributes(this.slider, { max: this.#last, "aria-valuetext": label ?? `moment ${index + 1}` });
    if (Number(this.slider.value) !== index) this.slider.value = index;
    write(this.label, label ?? "");
    write(this.latest, this.spec.live ? "Live" : "Latest");
    attributes(this.latest, { "aria-pressed": String(picked === null), "data-live": String(Boolean(this.spec.live)) });
    attributes(this.icon, { d: this.#timer ? "M4 2h3v12H4zM9 2h3v12H9z" : "M4 2l10 6-10 6z" });
    attributes(this.play, { "aria-label": this.#timer ? "Pause the replay" : "Play the run again" });
    this.#drawPhases(list);
  }

  // Each phase is named once, where it begins.
  #drawPhases(list) {
    const starts = list.map(({ phase }, i) => [phase, i]).filter(([phase, i]) => phase && phase !== list[i - 1]?.phase);
    const key = JSON.stringify([starts, list.length]);
    if (key === this.phases.dataset.key) return;
    this.phases.dataset.key = key;
    const spans = starts.map(([phase, i], at) => {
      const from = i / Math.max(1, this.#last);
      const to = (starts[at + 1]?.[1] ?? this.#last) / Math.max(1, this.#last);
      return html("span", { style: `left: calc(11px + ${from} * (100% - 22px)); width: calc(${to - from} * (100% - 22px))` }, phase);
    });
    this.phases.replaceChildren(...spans);
  }

  destroy() {
    clearInterval(this.#timer);
    this.draw.cancel();
    this.moments.close();
  }
}

export default mounting(Scrubber);
