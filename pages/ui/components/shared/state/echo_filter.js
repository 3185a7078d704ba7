// Tells news from echoes: what Python shows may be an answer to what was told from here, and come after the user went on.

const ECHO = 10000; // milliseconds in which something told may still be answered

class Echo {
  #shown;
  #told = []; // {value, at}

  tell(value) {
    this.#told.push({ value, at: performance.now() });
  }
  // Python shows this value now. True if it is news: it changed, and answers nothing told from here. Whatever was told
  // before an answered value is forgotten with it, so that going back to one of those is news again.
  isNews(value) {
    if (value === this.#shown) return false;
    this.#shown = value;
    this.#told = this.#told.filter(({ at }) => at > performance.now() - ECHO);
    const answered = this.#told.findLastIndex((told) => told.value === value);
    this.#told = this.#told.slice(answered + 1);
    return answered < 0;
  }
  forget() {
    this.#told = [];
  }
}
