// The moment bus: components that show the same run on one page share which moment of it they show.
//
// A moment is an index into the run's list of moments. `picked` is the user's choice (null: follow the run);
// `following` is where a live playback has come (null: caught up). What to show is picked ?? following ?? the latest.
// The bus of a run exists as long as a component of the page has joined it, so the order of mounting does not matter.

const MOMENT = "distillery:moment";

class Moments {
  #bus = null;
  #hear;

  constructor(changed) {
    this.#hear = (event) => event.detail === this.#bus && changed();
    document.addEventListener(MOMENT, this.#hear);
  }

  join(run) {
    if (this.#bus?.run === run) return;
    this.leave();
    if (run === undefined || run === null) return;
    if (!distillery.buses.has(run)) {
      distillery.buses.set(run, { run, list: [], picked: null, following: null, driver: null, members: new Set() });
    }
    this.#bus = distillery.buses.get(run);
    this.#bus.members.add(this);
  }

  leave() {
    const bus = this.#bus;
    if (!bus) return;
    this.#bus = null;
    bus.members.delete(this);
    if (bus.driver === this) Object.assign(bus, { driver: null, following: null });
    if (bus.members.size === 0) distillery.buses.delete(bus.run);
    else document.dispatchEvent(new CustomEvent(MOMENT, { detail: bus }));
  }

  close() {
    this.leave();
    document.removeEventListener(MOMENT, this.#hear);
  }

  // Any component may describe a moment: {x, label, phase, accuracy}; later descriptions add to earlier ones.
  describe(first, descriptions) {
    if (!this.#bus || descriptions.length === 0) return;
    descriptions.forEach((description, i) => {
      this.#bus.list[first + i] = { ...this.#bus.list[first + i], ...description };
    });
    this.#tell();
  }

  pick(index) {
    if (!this.#bus || this.#bus.picked === index) return;
    this.#bus.picked = index;
    this.#tell();
  }

  // Only one playback leads; a second one on the page follows the first.
  follow(index) {
    const bus = this.#bus;
    if (!bus || (bus.driver && bus.driver !== this) || bus.following === index) return;
    bus.driver = index === null ? null : this;
    bus.following = index;
    this.#tell();
  }

  #tell() {
    document.dispatchEvent(new CustomEvent(MOMENT, { detail: this.#bus }));
  }

  get picked() {
    return this.#bus?.picked ?? null;
  }
  get list() {
    return this.#bus?.list ?? [];
  }
  // null: the latest there is
  get shown() {
    return this.picked ?? this.#bus?.following ?? null;
  }
  get index() {
    return this.shown ?? this.list.length - 1;
  }
  at(index) {
    return this.list[index] ?? {};
  }
}

// The last entry at or before the shown moment, of a list sorted by moment.
function latestAt(entries, shown) {
  if (shown === null) return entries.at(-1);
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (entries[middle].moment <= shown) low = middle + 1;
    else high = middle;
  }
  return entries[low - 1];
}
