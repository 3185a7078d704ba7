// What every instrument on a bench does: join it, follow it, and draw while it can be seen, once per frame at most.
//
// A subclass has a name for tests and styles, build() for its nodes, configure(spec) for a new payload, and paint(theme).
// The payload's `bench` names the bench. this.tell(state, value) tells Python; isNews(state, value) says whether what a
// payload brings is more than an answer to that. build() runs before the fields of the subclass exist.

class Instrument {
  bench = null;
  width = 0;
  spec = {};
  #seen = false;
  #echoes = {};

  constructor(root, name) {
    root.classList.add(`dst-${name}`);
    this.root = root;
    this.draw = redrawing(() => this.#draw(), name);
    this.unwatch = watchWidth(root, (width) => {
      this.width = width;
      this.draw();
    });
    this.observer = new IntersectionObserver(([entry]) => {
      this.#seen = entry.isIntersecting;
      if (this.#seen) this.draw();
    });
    this.observer.observe(root);
    this.changed = () => this.#seen && this.draw();
    this.build();
  }

  update(data, { setStateValue }) {
    this.say = setStateValue;
    this.spec = data;
    if (this.bench?.name !== data.bench) {
      this.bench?.leave(this.changed);
      this.bench = Bench.join(data.bench, this.changed);
      this.#echoes = {}; // a new bench knows nothing of what was said about the old one
    }
    this.configure(data);
    this.draw();
  }
  configure() {}

  tell(state, value) {
    this.#echo(state).tell(JSON.stringify(value ?? null));
    this.say(state, value);
  }
  isNews(state, value) {
    return this.#echo(state).isNews(JSON.stringify(value ?? null));
  }
  #echo(state) {
    return (this.#echoes[state] ??= new Echo());
  }

  // What an instrument needs before it can paint; most need answers of the networks.
  get isReady() {
    return this.bench.isReady;
  }
  #draw() {
    if (this.bench && this.width && this.isReady) this.paint(readTheme(this.root));
  }

  destroy() {
    this.draw.cancel();
    this.unwatch();
    this.observer.disconnect();
    this.bench?.leave(this.changed);
  }
}
