// Tells Python a value that changes quickly: at most every so often, and not before the last one has been answered.

const BETWEEN = 120; // milliseconds between two tellings
const PATIENCE = 1000; // milliseconds to wait for an answer

class Teller {
  #wanted = null; // not told yet
  #waiting = null; // told and not answered
  #last = null; // what Python knows, or will soon
  #echo = new Echo();
  #at = -Infinity;
  #timer = 0;

  constructor(tell) {
    this.tell = tell;
  }

  // urgent: the reader has finished, so the pace does not matter any more.
  want(value, urgent = false) {
    this.#wanted = value;
    this.#next(urgent);
  }
  #next(urgent = false) {
    clearTimeout(this.#timer);
    if (this.#wanted === this.#last) this.#wanted = null;
    if (this.#wanted === null) return;
    const now = performance.now();
    const pause = urgent ? 0 : this.#at + (this.#waiting === null ? BETWEEN : PATIENCE) - now;
    if (pause > 0) {
      this.#timer = setTimeout(() => this.#next(), pause);
      return;
    }
    const value = this.#wanted;
    [this.#wanted, this.#waiting, this.#last, this.#at] = [null, value, value, now];
    this.#echo.tell(value);
    this.tell(value);
  }

  // What Python shows now. True if it is news.
  hear(value) {
    if (value === this.#waiting) {
      clearTimeout(this.#timer);
      this.#waiting = null;
      this.#timer = this.#wanted === null ? 0 : setTimeout(() => this.#next());
    }
    return this.#echo.isNews(value);
  }
  // Python's value counts from now on.
  accept(value) {
    this.cancel();
    this.#echo.forget();
    [this.#wanted, this.#waiting, this.#last] = [null, null, value];
  }
  cancel() {
    clearTimeout(this.#timer);
  }
}
