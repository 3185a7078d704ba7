// Points of one curve, downsampled to at most MAX_POINTS.

export const MAX_POINTS = 1000;

export class Series {
  /** @type {number[]} */
  x = [];
  /** @type {number[]} */
  y = [];

  /**
   * Append points; those that are not finite are left out.
   * @param {number[]} x
   * @param {number[]} y
   */
  append(x, y) {
    for (let i = 0; i < x.length; i++) {
      if (!Number.isFinite(x[i]) || !Number.isFinite(y[i])) continue;
      this.x.push(x[i]);
      this.y.push(y[i]);
    }
    if (this.x.length > MAX_POINTS) this.#downsample();
  }

  /**
   * Keep the first and last point, and the lowest and highest of each bucket, so that no spike disappears. Half of
   * MAX_POINTS remain, so that this happens rarely.
   */
  #downsample() {
    const buckets = MAX_POINTS / 4 - 1;
    const inner = this.x.length - 2;
    const keep = [0];
    for (let bucket = 0; bucket < buckets; bucket++) {
      const start = 1 + Math.floor((bucket * inner) / buckets);
      const end = 1 + Math.floor(((bucket + 1) * inner) / buckets);
      let low = start;
      let high = start;
      for (let i = start; i < end; i++) {
        if (this.y[i] < this.y[low]) low = i;
        if (this.y[i] > this.y[high]) high = i;
      }
      keep.push(Math.min(low, high));
      if (low !== high) keep.push(Math.max(low, high));
    }
    keep.push(this.x.length - 1);
    this.x = keep.map((i) => this.x[i]);
    this.y = keep.map((i) => this.y[i]);
  }

  get length() {
    return this.x.length;
  }
  get last() {
    return { x: this.x.at(-1), y: this.y.at(-1) };
  }

  /**
   * Return the index of the point nearest to x.
   * @param {number} x
   */
  nearest(x) {
    let low = 0;
    let high = this.x.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.x[middle] < x) low = middle + 1;
      else high = middle;
    }
    return low > 0 && x - this.x[low - 1] <= this.x[low] - x ? low - 1 : low;
  }

  /**
   * Return the values within a range of x, and the nearest ones beyond it, where the line enters and leaves the range.
   * @param {number[]} range
   */
  within([from, to]) {
    let start = this.x.findIndex((x) => x >= from);
    if (start < 0) return [];
    let end = start;
    while (end < this.x.length && this.x[end] <= to) end++;
    start = Math.max(0, start - 1);
    return this.y.slice(start, end + 1);
  }
}
