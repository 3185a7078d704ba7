// Receiver of append-only frames. Each payload has the position of its first frame (`from`).

const REPEAT_INTERVAL = 1500; // milliseconds after which the report of a gap is repeated
const MAX_REPEATS = 20;

export class FrameFeed {
  /** @type {string | undefined} */
  run = undefined;
  count = 0;
  /** @type {object | null} */
  #gap = null;
  /** @type {Record<string, any>} */
  #retained = {};
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer = undefined;

  /**
   * Return the new frames, the position of the first one, and whether they belong to another run than the last ones.
   * A gap (a dropped update, a component mounted anew) is reported to Python once per payload, and again until the
   * frames arrive, since a report that reaches the server while it redraws the whole page is lost.
   * @param {any} data
   * @param {(name: string, value: number) => void} setTriggerValue
   */
  receive(data, setTriggerValue) {
    const isNewRun = data.run !== this.run;
    if (isNewRun) {
      this.run = data.run;
      this.count = 0;
      this.#retained = {};
    }
    const from = data.from ?? 0;
    const start = this.count;
    if (from > start) {
      if (this.#gap !== data) this.#report(setTriggerValue);
      this.#gap = data;
      return { isNewRun, start, frames: [] };
    }
    clearInterval(this.#timer);
    /** @type {any[]} */
    const frames = (data.frames ?? []).slice(start - from);
    this.count += frames.length;
    return { isNewRun, start, frames };
  }

  /** @param {(name: string, value: number) => void} setTriggerValue */
  #report(setTriggerValue) {
    clearInterval(this.#timer);
    setTriggerValue("resync", this.count);
    let left = MAX_REPEATS;
    this.#timer = setInterval(() => {
      if (left-- > 0) setTriggerValue("resync", this.count);
      else clearInterval(this.#timer);
    }, REPEAT_INTERVAL);
  }

  /**
   * Return a field that Python sends with the first payload of a run only.
   * @param {any} data
   * @param {string} name
   * @param {any} [fallback]
   */
  retained(data, name, fallback) {
    if (data[name] !== undefined) this.#retained[name] = data[name];
    return name in this.#retained ? this.#retained[name] : fallback;
  }
}
