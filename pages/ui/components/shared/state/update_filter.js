// Filter of values received from Python. A value may only repeat one that this component sent, and may arrive after
// the user has changed it again; such a value must not replace the newer one.

const REPLY_TIMEOUT = 10_000; // milliseconds within which a sent value may come back

export class UpdateFilter {
  /** @type {unknown} */
  #value;
  /** @type {{value: unknown, at: number}[]} */
  #sent = [];

  /**
   * Remember a value that is sent to Python.
   * @param {unknown} value
   */
  recordSent(value) {
    this.#sent.push({ value, at: performance.now() });
  }

  /**
   * Return whether a received value is new, that is, differs from the last one received and was not sent from here.
   * A sent value that comes back is forgotten together with all sent before it, so that it counts as new next time.
   * @param {unknown} value
   */
  isNew(value) {
    if (value === this.#value) return false;
    this.#value = value;
    this.#sent = this.#sent.filter(({ at }) => at > performance.now() - REPLY_TIMEOUT);
    const index = this.#sent.findLastIndex((sent) => sent.value === value);
    this.#sent = this.#sent.slice(index + 1);
    return index < 0;
  }

  reset() {
    this.#sent = [];
  }
}
