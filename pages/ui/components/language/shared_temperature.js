// Temperature that all components of one page and run show, whichever of their sliders moves.

/** Options of the sliders. */
export const SLIDER = { ticks: [0.5, 1, 2], ends: /** @type {[string, string]} */ (["more likely", "more random"]) };

/** @type {Map<string, {value: number | null, members: Set<SharedTemperature>}>} */
const states = new Map();

export class SharedTemperature {
  #key = "";

  /** @param {(value: number) => void} changed called when another component moves the temperature */
  constructor(changed) {
    this.changed = changed;
  }

  /**
   * @param {string} key of the temperature; components with the same key share it
   */
  join(key) {
    if (key === this.#key) return;
    this.leave();
    this.#key = key;
    const state = states.get(key) ?? { value: null, members: new Set() };
    states.set(key, state);
    state.members.add(this);
  }

  leave() {
    const state = states.get(this.#key);
    state?.members.delete(this);
    if (state?.members.size === 0) states.delete(this.#key);
    this.#key = "";
  }

  /** @param {number} value */
  set(value) {
    const state = states.get(this.#key);
    if (!state || state.value === value) return;
    state.value = value;
    for (const member of [...state.members]) if (member !== this) member.changed(value);
  }
}
