// Base class of the Temperature page's instruments: it joins the store and draws while it can be seen.

import { observeWidth, redrawScheduler } from "../../shared/mount.js";
import { EchoFilter } from "../../shared/state/echo_filter.js";
import { readTheme } from "../../shared/theme.js";
import { TemperatureStore } from "./store.js";

/** @typedef {import("../../shared/mount.js").Callbacks} Callbacks */
/** @typedef {import("../../shared/theme.js").Theme} Theme */

/**
 * A subclass has build() for its nodes, configure(spec) for a new payload, and paint(theme). The payload's `bench`
 * names the store. sendState(state, value) tells Python; isNew(state, value) says whether a value of a payload is more
 * than an answer to that. build() runs before the fields of the subclass exist.
 */
export class Instrument {
  /** @type {TemperatureStore | null} */
  store = null;
  width = 0;
  /** @type {any} */
  spec = {};
  /** @type {Callbacks["setStateValue"]} */
  setStateValue = () => {};
  #isVisible = false;
  /** @type {Record<string, EchoFilter>} */
  #echoes = {};

  /**
   * @param {HTMLElement} root
   * @param {string} name for styles and tests
   */
  constructor(root, name) {
    root.classList.add(`dst-${name.replaceAll("_", "-")}`);
    this.root = root;
    this.draw = redrawScheduler(() => this.#draw(), name);
    this.stopObserving = observeWidth(root, (width) => {
      this.width = width;
      this.draw();
    });
    this.observer = new IntersectionObserver(([entry]) => {
      this.#isVisible = entry.isIntersecting;
      if (this.#isVisible) this.draw();
    });
    this.observer.observe(root);
    this.changed = () => {
      if (this.#isVisible) this.draw();
    };
    this.build();
  }

  /**
   * @param {any} data
   * @param {Callbacks} callbacks
   */
  update(data, { setStateValue }) {
    this.setStateValue = setStateValue;
    this.spec = data;
    if (this.store?.name !== data.bench) {
      this.store?.leave(this.changed);
      this.store = TemperatureStore.join(data.bench, this.changed);
      this.#echoes = {}; // what was sent belongs to the former store
    }
    this.configure(data);
    this.draw();
  }

  build() {}
  /** @param {any} _spec */
  configure(_spec) {}
  /** @param {Theme} _theme */
  paint(_theme) {}

  /**
   * @param {string} state
   * @param {unknown} value
   */
  sendState(state, value) {
    this.#echo(state).sent(JSON.stringify(value ?? null));
    this.setStateValue(state, value);
  }
  /**
   * @param {string} state
   * @param {unknown} value
   */
  isNew(state, value) {
    return this.#echo(state).isNew(JSON.stringify(value ?? null));
  }
  /** @param {string} state */
  #echo(state) {
    this.#echoes[state] ??= new EchoFilter();
    return this.#echoes[state];
  }

  /** Whether there is what the instrument draws; most need the logits of the networks. */
  get isReady() {
    return this.store.isReady;
  }
  #draw() {
    if (this.store && this.width && this.isReady) this.paint(readTheme(this.root));
  }

  destroy() {
    this.draw.cancel();
    this.stopObserving();
    this.observer.disconnect();
    this.store?.leave(this.changed);
  }
}
