// A bench: what the instruments of one page look at together. Turning the temperature never asks the server.
//
// The dock fills it: classes, splits {name: {labels, rows}}, sheet or points of the split that is shown, and frames
// {moment, roles, logits: {role: {split: base64 of float32 (examples × classes)}}}. A role that is named without logits,
// the frozen teacher say, is the same in every frame. Every other component joins and draws.

const NETWORKS = ["teacher", "student", "baseline"];

class Bench {
  members = new Set();
  frames = new Map();
  classes = [];
  splits = {};
  shown = "test";
  sheet = null;
  points = null;
  moment = null;
  temperature = 1;
  index = 0; // the chosen example of the split that is shown
  given = null; // {logits: {role: [K numbers]}, classes, label, title, src}: an input that is no example of the data
  #softened = new Map();

  constructor(name) {
    this.name = name;
  }

  // One bench per name and browser page; every component's module finds the same one.
  static join(name, draw) {
    const benches = (distillery.benches ??= new Map());
    if (!benches.has(name)) benches.set(name, new Bench(name));
    const bench = benches.get(name);
    bench.members.add(draw);
    return bench;
  }
  leave(draw) {
    this.members.delete(draw);
    if (this.members.size === 0) distillery.benches.delete(this.name);
  }

  set(changes) {
    Object.assign(this, changes);
    for (const draw of this.members) draw();
  }
  choose(index) {
    this.set({ index, given: null });
  }
  add({ moment, roles, logits }) {
    const decoded = {};
    for (const [role, splits] of Object.entries(logits)) {
      decoded[role] = Object.fromEntries(Object.entries(splits).map(([split, text]) => [split, floats(text)]));
    }
    this.frames.set(moment, { roles, logits: decoded });
    this.#softened.clear();
  }

  // --- what there is to draw --------------------------------------------------------------------------------------

  get isReady() {
    return this.frames.has(this.moment);
  }
  get roles() {
    return NETWORKS.filter((role) => this.logits(role));
  }
  get labels() {
    return this.splits[this.shown]?.labels ?? [];
  }
  // Float32Array (examples × classes), row by row; null for a network that does not exist at this moment.
  logits(role, split = this.shown) {
    const now = this.frames.get(this.moment);
    if (!now?.roles.includes(role)) return null;
    if (now.logits[role]) return now.logits[role][split] ?? null;
    for (const { logits } of this.frames.values()) if (logits[role]) return logits[role][split] ?? null;
    return null;
  }
  // {p, logp} at the temperature, Float64Arrays (examples × classes), worked out once per temperature for all instruments.
  softened(role, split = this.shown) {
    const logits = this.logits(role, split);
    if (!logits) return null;
    const { temperature } = this;
    const key = `${role} ${split}`;
    const kept = this.#softened.get(key);
    if (kept?.logits === logits && kept.temperature === temperature) return kept;
    const values = { logits, temperature, ...softenRows(logits, this.classes.length, temperature) };
    this.#softened.set(key, values);
    return values;
  }
  logp(role, split) {
    return this.softened(role, split)?.logp ?? null;
  }

  // --- the one input whose answers are looked at closely ----------------------------------------------------------

  // {classes, label (or null), title, logits: {role: [K numbers]}}
  get subject() {
    if (this.given) return { classes: this.classes, label: null, ...this.given };
    const count = this.classes.length;
    const logits = {};
    for (const role of NETWORKS) {
      const all = this.logits(role);
      if (all) logits[role] = Array.from(all.subarray(this.index * count, (this.index + 1) * count));
    }
    return { classes: this.classes, label: this.labels[this.index] ?? null, title: this.title(this.index), logits };
  }
  title(index) {
    const row = this.splits[this.shown]?.rows?.[index] ?? index;
    return `${this.shown === "test" ? "Test" : "Validation"} example ${row}`;
  }
  // A picture of one example, at most `size` pixels wide: a cut of the sheet, or the coordinates of a point.
  picture(index, size) {
    if (this.points) return html("span", { class: "dst-chip" }, `(${this.points[index].map((value) => value.toFixed(1)).join(", ")})`);
    if (!this.sheet) return html("span", { class: "dst-chip" }, String(index));
    const { src, columns, width, height, count } = this.sheet;
    const zoom = size / width;
    const [x, y] = [index % columns, Math.floor(index / columns)];
    const cut = `width: ${size}px; height: ${height * zoom}px; background-position: ${-x * size}px ${-y * height * zoom}px;`;
    const all = `background-size: ${columns * size}px ${Math.ceil(count / columns) * height * zoom}px;`;
    const node = html("span", { class: "dst-cut", style: `${cut} ${all}` });
    node.style.backgroundImage = `url("${src}")`;
    return node;
  }
}

function floats(base64) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

// Row by row, in float64 whatever the logits are stored in. Exponentials cost most: one for each number.
function softenRows(logits, count, temperature) {
  const [p, logp] = [new Float64Array(logits.length), new Float64Array(logits.length)];
  for (let start = 0; start < logits.length; start += count) {
    let top = -Infinity;
    for (let at = start; at < start + count; at += 1) if (logits[at] > top) top = logits[at];
    let sum = 0;
    for (let at = start; at < start + count; at += 1) {
      logp[at] = (logits[at] - top) / temperature;
      sum += p[at] = Math.exp(logp[at]);
    }
    const normaliser = Math.log(sum);
    for (let at = start; at < start + count; at += 1) {
      p[at] /= sum;
      logp[at] -= normaliser;
    }
  }
  return { p, logp };
}

// The position of the largest of `count` values from `start` on.
function topOf(values, start = 0, count = values.length) {
  let best = start;
  for (let at = start + 1; at < start + count; at += 1) if (values[at] > values[best]) best = at;
  return best - start;
}
