// Points of one curve, which the server has thinned.

import { last } from "../../shared/math/collections.js";

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
  }

  get length() {
    return this.x.length;
  }
  get last() {
    return { x: last(this.x), y: last(this.y) };
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
