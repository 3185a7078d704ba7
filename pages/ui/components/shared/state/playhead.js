// The playhead: components that show the same run on one page share which moment of it they show.
//
// A moment is an index into the run's list of moments. `picked` is the user's choice (null: follow the run);
// `following` is the moment that a live playback has reached (null: caught up). Shown is picked ?? following ?? the
// latest. The shared state of a run exists as long as a component of the page has joined it, so the order of mounting
// does not matter.

/** @typedef {{x?: number, label?: string, phase?: string, accuracy?: Record<string, number>}} Moment */
/**
 * @typedef {{
 *   run: string,
 *   list: Moment[],
 *   picked: number | null,
 *   following: number | null,
 *   driver: Playhead | null,
 *   members: Set<Playhead>,
 * }} SharedState
 */

/** @type {Map<string, SharedState>} */
const states = new Map();

export class Playhead {
  /** @type {SharedState | null} */
  #state = null;

  /** @param {() => void} changed called when another component, or this one, moves the playhead */
  constructor(changed) {
    this.changed = changed;
  }

  /** @param {string | null | undefined} run */
  join(run) {
    if (this.#state?.run === run) return;
    this.leave();
    if (run === undefined || run === null) return;
    if (!states.has(run)) {
      states.set(run, { run, list: [], picked: null, following: null, driver: null, members: new Set() });
    }
    this.#state = states.get(run);
    this.#state.members.add(this);
  }

  leave() {
    const state = this.#state;
    if (!state) return;
    this.#state = null;
    state.members.delete(this);
    if (state.driver === this) Object.assign(state, { driver: null, following: null });
    if (state.members.size === 0) states.delete(state.run);
    else notify(state);
  }

  /**
   * Describe moments, from position `first` on. Any component may; later descriptions add to earlier ones.
   * @param {number} first
   * @param {Moment[]} descriptions
   */
  describe(first, descriptions) {
    const state = this.#state;
    if (!state || descriptions.length === 0) return;
    descriptions.forEach((description, i) => {
      state.list[first + i] = { ...state.list[first + i], ...description };
    });
    notify(state);
  }

  /** @param {number | null} index */
  pick(index) {
    if (!this.#state || this.#state.picked === index) return;
    this.#state.picked = index;
    notify(this.#state);
  }

  /**
   * Move the playhead of a live playback. Only one playback leads; a second one on the page follows the first.
   * @param {number | null} index
   */
  follow(index) {
    const state = this.#state;
    if (!state || (state.driver && state.driver !== this) || state.following === index) return;
    state.driver = index === null ? null : this;
    state.following = index;
    notify(state);
  }

  get picked() {
    return this.#state?.picked ?? null;
  }
  get list() {
    return this.#state?.list ?? [];
  }
  /** The moment to show; null is the latest there is. */
  get moment() {
    return this.picked ?? this.#state?.following ?? null;
  }
  get index() {
    return this.moment ?? this.list.length - 1;
  }
  /**
   * @param {number} index
   * @returns {Moment}
   */
  at(index) {
    return this.list[index] ?? {};
  }
}

/** @param {SharedState} state */
function notify(state) {
  for (const member of [...state.members]) member.changed();
}

/**
 * Return the last entry at or before a moment (null: the last of all) of a list sorted by moment.
 * @template {{moment: number}} T
 * @param {T[]} entries
 * @param {number | null} moment
 * @returns {T | undefined}
 */
export function lastUpTo(entries, moment) {
  if (moment === null) return entries.at(-1);
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (entries[middle].moment <= moment) low = middle + 1;
    else high = middle;
  }
  return entries[low - 1];
}
