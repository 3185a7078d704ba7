// Append-only data: each payload says at which position its frames continue those that the browser has.

const RESEND_INTERVAL = 1500; // milliseconds after which an unanswered report of a gap is repeated
const MAX_RESENDS = 20;

export class FrameFeed {
  /** @type {string | undefined} */
  run = undefined;
  count = 0;
  /** @type {object | null} */
  #gap = null;
  /** @type {Record<string, any>} */
  #heavy = {};
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer = undefined;

  /**
   * Return the frames that are new here, whether everything before them is void, and the position of the first one.
   * A gap (a dropped update, a fresh mount) is reported to Python once per payload that shows it, and again until an
   * answer comes: a report that reaches the server while it redraws the whole page is lost.
   * @param {any} data
   * @param {(name: string, value: number) => void} setTriggerValue
   */
  receive(data, setTriggerValue) {
    const cleared = data.run !== this.run;
    if (cleared) {
      this.run = data.run;
      this.count = 0;
      this.#heavy = {};
    }
    const from = data.from ?? 0;
    const start = this.count;
    if (from > start) {
      if (this.#gap !== data) this.#report(setTriggerValue);
      this.#gap = data;
      return { cleared, start, fresh: [] };
    }
    clearInterval(this.#timer);
    /** @type {any[]} */
    const fresh = (data.frames ?? []).slice(start - from);
    this.count += fresh.length;
    return { cleared, start, fresh };
  }

  /** @param {(name: string, value: number) => void} setTriggerValue */
  #report(setTriggerValue) {
    clearInterval(this.#timer);
    setTriggerValue("resync", this.count);
    let left = MAX_RESENDS;
    this.#timer = setInterval(() => {
      if (left-- > 0) setTriggerValue("resync", this.count);
      else clearInterval(this.#timer);
    }, RESEND_INTERVAL);
  }

  /**
   * Return a heavy field that Python sends with the first payload only.
   * @param {any} data
   * @param {string} name
   * @param {any} [fallback]
   */
  heavy(data, name, fallback) {
    if (data[name] !== undefined) this.#heavy[name] = data[name];
    return name in this.#heavy ? this.#heavy[name] : fallback;
  }
}
