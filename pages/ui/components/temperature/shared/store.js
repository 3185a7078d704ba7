// Common state of the components of the Temperature page. A new temperature needs no message to the server.
//
// The dock fills it with classes, splits {name: {labels, rows}}, the sprite sheet or the points of the current split, and
// frames {snapshot, roles, logits: {role: {split: base64 of float32 (examples × classes)}}}. A role without logits in a
// frame, for example the frozen teacher, has the logits of an earlier frame.

import { html } from "../../shared/dom.js";
import { softmaxRows } from "../../shared/math/softmax.js";
import { counts } from "../../shared/mount.js";

/**
 * @typedef {Record<string, Float32Array>} SplitLogits
 * @typedef {{logits: Float32Array, temperature: number, p: Float64Array, logp: Float64Array}} Softened
 * @typedef {{classes: string[], label: number | null, title: string, logits: Record<string, number[]>}} Input
 */

export const ROLES = ["teacher", "student", "baseline"];

/** @type {Map<string, TemperatureStore>} */
const stores = new Map();
counts.stores = stores;

export class TemperatureStore {
  /** Redraw functions of the components. @type {Set<() => void>} */
  members = new Set();
  /** @type {Map<number, {roles: string[], logits: Record<string, SplitLogits>}>} */
  frames = new Map();
  /** @type {string[]} */
  classes = [];
  /** @type {Record<string, {labels: number[], rows?: number[]}>} */
  splits = {};
  split = "test"; // the current one
  /** @type {{src: string, columns: number, width: number, height: number, count: number} | null} */
  sheet = null;
  /** @type {number[][] | null} */
  points = null;
  snapshot = -1; // the current one, -1 for none
  temperature = 1;
  temperatures = [0.5, 64]; // lowest and highest
  index = 0; // the chosen example of the current split
  /** An input that is no example of the data. @type {any} */
  custom = null;
  /** @type {Map<string, Softened>} */
  #softened = new Map();

  /** @param {string} name */
  constructor(name) {
    this.name = name;
  }

  /**
   * Return the store of a name: one per browser page.
   * @param {string} name
   * @param {() => void} draw
   */
  static join(name, draw) {
    const store = stores.get(name) ?? new TemperatureStore(name);
    stores.set(name, store);
    store.members.add(draw);
    return store;
  }

  /** @param {() => void} draw */
  leave(draw) {
    this.members.delete(draw);
    if (this.members.size === 0) stores.delete(this.name);
  }

  /** @param {Record<string, any>} changes */
  set(changes) {
    Object.assign(this, changes);
    for (const draw of this.members) draw();
  }

  /** @param {number} index */
  choose(index) {
    this.set({ index, custom: null });
  }

  /** @param {{snapshot: number, roles: string[], logits: Record<string, Record<string, string>>}} frame */
  add({ snapshot, roles, logits }) {
    /** @type {Record<string, SplitLogits>} */
    const decoded = {};
    for (const [role, splits] of Object.entries(logits)) {
      decoded[role] = Object.fromEntries(Object.entries(splits).map(([split, text]) => [split, decodeFloat32(text)]));
    }
    this.frames.set(snapshot, { roles, logits: decoded });
    this.#softened.clear();
  }

  // --- data of the snapshot ---------------------------------------------------------------------------------------

  get isReady() {
    return this.frames.has(this.snapshot);
  }
  get roles() {
    return ROLES.filter((role) => this.logits(role));
  }
  get labels() {
    return this.splits[this.split]?.labels ?? [];
  }

  /**
   * Return the logits (examples × classes, row by row) of a network; null if this snapshot does not have it.
   * @param {string} role
   * @param {string} [split]
   */
  logits(role, split = this.split) {
    const frame = this.frames.get(this.snapshot);
    if (!frame?.roles.includes(role)) return null;
    if (frame.logits[role]) return frame.logits[role][split] ?? null;
    for (const { logits } of this.frames.values()) if (logits[role]) return logits[role][split] ?? null;
    return null;
  }

  /**
   * Return the logits of a network that this snapshot has.
   * @param {string} role
   * @param {string} [split]
   */
  existingLogits(role, split) {
    return /** @type {Float32Array} */ (this.logits(role, split));
  }

  /**
   * Return {p, logp} (examples × classes) of a network that this snapshot has at the temperature, computed once per
   * temperature for all components.
   * @param {string} role
   * @param {string} [split]
   */
  softened(role, split = this.split) {
    const logits = this.existingLogits(role, split);
    const { temperature } = this;
    const key = `${role} ${split}`;
    const cached = this.#softened.get(key);
    if (cached?.logits === logits && cached.temperature === temperature) return cached;
    const values = { logits, temperature, ...softmaxRows(logits, this.classes.length, temperature) };
    this.#softened.set(key, values);
    return values;
  }

  // --- chosen input -----------------------------------------------------------------------------------------------

  /** @returns {Input} */
  get input() {
    if (this.custom) return { classes: this.classes, label: null, ...this.custom };
    const count = this.classes.length;
    /** @type {Record<string, number[]>} */
    const logits = {};
    for (const role of ROLES) {
      const all = this.logits(role);
      if (all) logits[role] = Array.from(all.subarray(this.index * count, (this.index + 1) * count));
    }
    return { classes: this.classes, label: this.labels[this.index] ?? null, title: this.title(this.index), logits };
  }

  /** @param {number} index */
  title(index) {
    const row = this.splits[this.split]?.rows?.[index] ?? index;
    return `${this.split === "test" ? "Test" : "Validation"} example ${row}`;
  }

  /**
   * Return a thumbnail of one example, cut from the sprite sheet, or the coordinates of a point.
   * @param {number} index
   * @param {number} size width in pixels, at most
   */
  thumbnail(index, size) {
    if (this.points) {
      const place = this.points[index].map((value) => value.toFixed(1)).join(", ");
      return html("span", { class: "dst-chip" }, `(${place})`);
    }
    if (!this.sheet) return html("span", { class: "dst-chip" }, String(index));
    const { src, columns, width, height, count } = this.sheet;
    const zoom = size / width;
    const [x, y] = [index % columns, Math.floor(index / columns)];
    const position = `background-position: ${-x * size}px ${-y * height * zoom}px;`;
    const part = `width: ${size}px; height: ${height * zoom}px; ${position}`;
    const all = `background-size: ${columns * size}px ${Math.ceil(count / columns) * height * zoom}px;`;
    const node = html("span", { class: "dst-thumbnail", style: `${part} ${all}` });
    node.style.backgroundImage = `url("${src}")`;
    return node;
  }
}

/** @param {string} base64 */
function decodeFloat32(base64) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}
