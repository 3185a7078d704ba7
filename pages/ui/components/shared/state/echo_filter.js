// Separation of news from echoes: a value that Python shows may be the answer to one that was sent from here, and may
// come after the user went on.

const ECHO_TIME = 10_000; // milliseconds in which a sent value may still be answered

export class EchoFilter {
  /** @type {unknown} */
  #value;
  /** @type {{value: unknown, at: number}[]} */
  #sent = [];

  /** @param {unknown} value sent to Python */
  sent(value) {
    this.#sent.push({ value, at: performance.now() });
  }

  /**
   * Return whether a value that Python shows now is news: it changed, and it answers nothing that was sent from here.
   * Values sent before an answered one are forgotten with it, so that going back to one of those is news again.
   * @param {unknown} value
   */
  isNew(value) {
    if (value === this.#value) return false;
    this.#value = value;
    this.#sent = this.#sent.filter(({ at }) => at > performance.now() - ECHO_TIME);
    const answered = this.#sent.findLastIndex((sent) => sent.value === value);
    this.#sent = this.#sent.slice(answered + 1);
    return answered < 0;
  }

  reset() {
    this.#sent = [];
  }
}
