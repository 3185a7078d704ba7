// Playhead, the evaluation of a run that all components of a page show.
//
// Evaluations are known by their index in the run's list. `chosen` is the user's choice (null to follow the run);
// `following` is the evaluation that a live playback has reached (null at its end). Components show chosen ?? following
// ?? the latest. The state of a run exists as long as any component has joined it, whatever the order of mounting.

/** @typedef {{x?: number, label?: string, phase?: string, accuracy?: Record<string, number>}} Evaluation */
/**
 * @typedef {{
 *   run: string,
 *   evaluations: Evaluation[],
 *   chosen: number | null,
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

  /** @param {() => void} changed called when this or another component moves the playhead */
  constructor(changed) {
    this.changed = changed;
  }

  /** @param {string | null | undefined} run */
  join(run) {
    if (this.#state?.run === run) return;
    this.leave();
    if (run === undefined || run === null) return;
    const state = states.get(run) ?? {
      run,
      evaluations: [],
      chosen: null,
      following: null,
      driver: null,
      members: new Set(),
    };
    states.set(run, state);
    this.#state = state;
    state.members.add(this);
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
   * Set fields of the evaluations from position `first` on. Fields of earlier calls are kept.
   * @param {number} first
   * @param {Evaluation[]} descriptions
   */
  describe(first, descriptions) {
    const state = this.#state;
    if (!state || descriptions.length === 0) return;
    descriptions.forEach((description, i) => {
      state.evaluations[first + i] = { ...state.evaluations[first + i], ...description };
    });
    notify(state);
  }

  /** @param {number | null} index */
  choose(index) {
    if (!this.#state || this.#state.chosen === index) return;
    this.#state.chosen = index;
    notify(this.#state);
  }

  /**
   * Move the playhead to where a live playback is. Only the first playback on a page moves it.
   * @param {number | null} index
   */
  follow(index) {
    const state = this.#state;
    if (!state || (state.driver && state.driver !== this) || state.following === index) return;
    state.driver = index === null ? null : this;
    state.following = index;
    notify(state);
  }

  get chosen() {
    return this.#state?.chosen ?? null;
  }
  get evaluations() {
    return this.#state?.evaluations ?? [];
  }
  /** Index of the evaluation to show; null is the latest. */
  get evaluation() {
    return this.chosen ?? this.#state?.following ?? null;
  }
  get index() {
    return this.evaluation ?? this.evaluations.length - 1;
  }
  /**
   * @param {number} index
   * @returns {Evaluation}
   */
  at(index) {
    return this.evaluations[index] ?? {};
  }
}

/** @param {SharedState} state */
function notify(state) {
  for (const member of [...state.members]) member.changed();
}

/**
 * Return the last entry at or before an evaluation (null for the last of all) of a list sorted by evaluation.
 * @template {{evaluation: number}} T
 * @param {T[]} entries
 * @param {number | null} evaluation
 * @returns {T | undefined}
 */
export function lastUpTo(entries, evaluation) {
  if (evaluation === null) return entries.at(-1);
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (entries[middle].evaluation <= evaluation) low = middle + 1;
    else high = middle;
  }
  return entries[low - 1];
}
