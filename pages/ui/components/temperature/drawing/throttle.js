// Throttle of a quickly changing value, which waits for an interval and for the answer to the last value sent.

import { UpdateFilter } from "../../shared/state/update_filter.js";

const MIN_INTERVAL = 120; // milliseconds between two values
const ANSWER_TIMEOUT = 1000; // milliseconds to wait for an answer

export class StateThrottle {
  /** Not sent yet. @type {string | null} */
  #requested = null;
  /** Sent and not answered. @type {string | null} */
  #unanswered = null;
  /** The last value sent to or received from Python. @type {string | null} */
  #last = null;
  #filter = new UpdateFilter();
  #sentAt = Number.NEGATIVE_INFINITY;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer = undefined;

  /** @param {(value: string) => void} send */
  constructor(send) {
    this.send = send;
  }

  /**
   * @param {string} value
   * @param {boolean} [isUrgent] whether to send at once, since the user has finished
   */
  request(value, isUrgent = false) {
    this.#requested = value;
    this.#sendNext(isUrgent);
  }
  #sendNext(isUrgent = false) {
    clearTimeout(this.#timer);
    if (this.#requested === this.#last) this.#requested = null;
    if (this.#requested === null) return;
    const time = performance.now();
    const interval = this.#unanswered === null ? MIN_INTERVAL : ANSWER_TIMEOUT;
    const delay = isUrgent ? 0 : this.#sentAt + interval - time;
    if (delay > 0) {
      this.#timer = setTimeout(() => this.#sendNext(), delay);
      return;
    }
    const value = this.#requested;
    [this.#requested, this.#unanswered, this.#last, this.#sentAt] = [null, value, value, time];
    this.#filter.recordSent(value);
    this.send(value);
  }

  /**
   * Return whether a value received from Python is new.
   * @param {string} value
   */
  isNew(value) {
    if (value === this.#unanswered) {
      clearTimeout(this.#timer);
      this.#unanswered = null;
      this.#timer = this.#requested === null ? undefined : setTimeout(() => this.#sendNext());
    }
    return this.#filter.isNew(value);
  }
  /**
   * Take over a value received from Python.
   * @param {string} value
   */
  accept(value) {
    this.cancel();
    this.#filter.reset();
    [this.#requested, this.#unanswered, this.#last] = [null, null, value];
  }
  cancel() {
    clearTimeout(this.#timer);
  }
}
