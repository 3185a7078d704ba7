// Throttle of a value that changes quickly: it is sent at most every so often, and not before the last one is answered.

import { EchoFilter } from "../../shared/state/echo_filter.js";

const MIN_INTERVAL = 120; // milliseconds between two values
const ANSWER_TIMEOUT = 1000; // milliseconds to wait for an answer

export class StateThrottle {
  /** Not sent yet. @type {string | null} */
  #requested = null;
  /** Sent and not answered. @type {string | null} */
  #unanswered = null;
  /** What Python has, or will have soon. @type {string | null} */
  #last = null;
  #echo = new EchoFilter();
  #sentAt = Number.NEGATIVE_INFINITY;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer = undefined;

  /** @param {(value: string) => void} send */
  constructor(send) {
    this.send = send;
  }

  /**
   * @param {string} value
   * @param {boolean} [isUrgent] the user has finished, so the interval does not matter any more
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
    this.#echo.sent(value);
    this.send(value);
  }

  /**
   * Return whether the value that Python shows now is news.
   * @param {string} value
   */
  isNew(value) {
    if (value === this.#unanswered) {
      clearTimeout(this.#timer);
      this.#unanswered = null;
      this.#timer = this.#requested === null ? undefined : setTimeout(() => this.#sendNext());
    }
    return this.#echo.isNew(value);
  }
  /**
   * Take Python's value for the current one.
   * @param {string} value
   */
  accept(value) {
    this.cancel();
    this.#echo.reset();
    [this.#requested, this.#unanswered, this.#last] = [null, null, value];
  }
  cancel() {
    clearTimeout(this.#timer);
  }
}
