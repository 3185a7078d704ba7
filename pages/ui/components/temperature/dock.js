// The temperature of the whole page, at the foot of the window wherever the reader is; and what the bench is filled from.
//
// Payload: the feed {run, from, frames}, bench, classes, splits, shown, sheet, points, moment, temperature, temperatures.
// Sets the state temperature.

class Dock {
  #feed = new Feed();
  #name = null;

  constructor(root) {
    root.classList.add("dst-dock");
    this.root = root;
    this.draw = redrawing(() => this.#draw(), "dock");
    this.changed = () => this.draw();
    this.handle = new TemperatureHandle({
      moved: () => this.bench?.set({ temperature: this.handle.value }),
      chosen: (value) => this.say("temperature", value),
    });
    root.append(this.handle.node);
    this.keys = (event) => this.#key(event);
    document.addEventListener("keydown", this.keys);
  }

  update(data, { setStateValue, setTriggerValue }) {
    this.say = setStateValue;
    if (this.#name !== data.bench) {
      this.bench?.leave(this.changed);
      this.#name = data.bench;
      this.bench = Bench.join(data.bench, this.changed);
    }
    const { fresh } = this.#feed.take(data, setTriggerValue);
    for (const frame of fresh) this.bench.add(frame);
    const kept = Object.fromEntries(["classes", "splits", "sheet", "points"].map((name) => [name, this.#feed.keep(data, name, this.bench[name])]));
    this.handle.update(data.temperature, data.temperatures);
    this.bench.set({ ...kept, shown: data.shown ?? "test", moment: data.moment ?? null, temperature: this.handle.value, temperatures: data.temperatures });
  }

  // [ and ] turn the temperature from anywhere but a text field.
  #key(event) {
    const turn = { "[": -1, "]": 1 }[event.key];
    const [target] = event.composedPath();
    const typing = target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && target.type !== "range");
    if (turn && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) this.handle.turn(turn);
  }

  #draw() {
    const { logits, classes } = this.bench.subject;
    const now = Object.fromEntries(Object.entries(logits).map(([role, values]) => [role, logSoftmax(values, this.handle.value)]));
    const spoken = inOneBreath(now, classes);
    this.handle.say(`Temperature ${this.handle.text}${spoken ? `, ${spoken}` : ""}`);
  }

  destroy() {
    document.removeEventListener("keydown", this.keys);
    this.draw.cancel();
    this.bench?.leave(this.changed);
    this.handle.destroy();
  }
}

export default mounting(Dock);
