// Base class of the components of the Temperature page, which joins the store and draws while it is visible.

import { observeWidth, redrawScheduler } from "../../shared/mount.js";
import { UpdateFilter } from "../../shared/state/update_filter.js";
import { readTheme } from "../../shared/theme.js";
import { TemperatureStore } from "./store.js";

/** @typedef {import("../../shared/mount.js").Callbacks} Callbacks */
/** @typedef {import("../../shared/theme.js").Theme} Theme */

/**
 * A subclass makes its nodes in its constructor and defines configure(spec) for a new payload, and paint(theme). The
 * payload's `store` is the name of the store. sendState(state, value) sends a value to Python; isNew(state, value) returns
 * whether a value of a payload is more than a repetition of one sent.
 */
export class TemperatureComponent {
  /** Joined by the first update, before anything is drawn. @type {TemperatureStore} */
  store = /** @type {any} */ (null);
  width = 0;
  /** @type {any} */
  spec = {};
  /** @type {Callbacks["setStateValue"]} */
  setStateValue = () => {};
  #isVisible = false;
  /** @type {Record<string, UpdateFilter>} */
  #filters = {};

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
  }

  /**
   * @param {any} data
   * @param {Callbacks} callbacks
   */
  update(data, { setStateValue }) {
    this.setStateValue = setStateValue;
    this.spec = data;
    if (this.store?.name !== data.store) {
      this.store?.leave(this.changed);
      this.store = TemperatureStore.join(data.store, this.changed);
      this.#filters = {}; // values were sent for the previous store
    }
    this.configure(data);
    this.draw();
  }

  /** @param {any} _spec */
  configure(_spec) {}
  /** @param {Theme} _theme */
  paint(_theme) {}

  /**
   * @param {string} state
   * @param {unknown} value
   */
  sendState(state, value) {
    this.#filter(state).recordSent(JSON.stringify(value ?? null));
    this.setStateValue(state, value);
  }
  /**
   * @param {string} state
   * @param {unknown} value
   */
  isNew(state, value) {
    return this.#filter(state).isNew(JSON.stringify(value ?? null));
  }
  /** @param {string} state */
  #filter(state) {
    this.#filters[state] ??= new UpdateFilter();
    return this.#filters[state];
  }

  /** Whether the data to draw are there, by default the logits of the networks. */
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
