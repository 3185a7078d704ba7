// Append-only data: each payload says from which position on its frames continue what this browser already has.

class Feed {
  run = undefined;
  have = 0;
  #gap = null;
  #kept = {};

  // Returns the frames that are new here, whether everything before them is void, and their first position.
  // A gap (a dropped update, a fresh mount) is reported to Python once per payload that shows it.
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
      if (this.#gap !== data) setTriggerValue("resync", start);
      this.#gap = data;
      return { cleared, start, fresh: [] };
    }
    const fresh = (data.frames ?? []).slice(start - from);
    this.have += fresh.length;
    return { cleared, start, fresh };
  }

  // A heavy field that Python sends with the first payload only.
  keep(data, name, otherwise) {
    if (data[name] !== undefined) this.#kept[name] = data[name];
    return name in this.#kept ? this.#kept[name] : otherwise;
  }
}
