// Append-only data: each payload says from which position on its frames continue what this browser already has.

const AGAIN_AFTER = 1500; // milliseconds after which an unanswered report of a gap is repeated
const REPEATS = 20;

class Feed {
  run = undefined;
  have = 0;
  #gap = null;
  #kept = {};
  #waiting = 0;

  // Returns the frames that are new here, whether everything before them is void, and their first position.
  // A gap (a dropped update, a fresh mount) is reported to Python once per payload that shows it, and again as long as
  // nothing comes: a report that reaches the server while it draws the whole page anew is lost.
  take(data, setTriggerValue) {
    const cleared = data.run !== this.run;
    if (cleared) {
      this.run = data.run;
      this.have = 0;
      this.#kept = {};
    }
    const from = data.from ?? 0;
    const start = this.have;
    if (from > start) {
      if (this.#gap !== data) this.#report(setTriggerValue);
      this.#gap = data;
      return { cleared, start, fresh: [] };
    }
    clearInterval(this.#waiting);
    const fresh = (data.frames ?? []).slice(start - from);
    this.have += fresh.length;
    return { cleared, start, fresh };
  }

  #report(setTriggerValue) {
    clearInterval(this.#waiting);
    setTriggerValue("resync", this.have);
    let left = REPEATS;
    this.#waiting = setInterval(() => {
      if (left-- > 0) setTriggerValue("resync", this.have);
      else clearInterval(this.#waiting);
    }, AGAIN_AFTER);
  }

  // A heavy field that Python sends with the first payload only.
  keep(data, name, otherwise) {
    if (data[name] !== undefined) this.#kept[name] = data[name];
    return name in this.#kept ? this.#kept[name] : otherwise;
  }
}
