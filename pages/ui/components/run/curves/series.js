// The points of one curve, thinned so that a long run stays light.

const KEPT = 1000;

class Series {
  x = [];
  y = [];

  append(x, y) {
    for (let i = 0; i < x.length; i++) {
      if (!Number.isFinite(x[i]) || !Number.isFinite(y[i])) continue;
      this.x.push(x[i]);
      this.y.push(y[i]);
    }
    if (this.x.length > KEPT) this.#thin();
  }

  // Min-max: of each bucket its lowest and its highest point, in order, so that no spike disappears. To half of what
  // is kept, so that thinning is rare. The first and the last point stay.
  #thin() {
    const buckets = KEPT / 4 - 1;
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

  // Index of the point nearest to x.
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

  // The values within a range of x, and the nearest ones beyond it, where the line enters and leaves.
  within([from, to]) {
    let start = this.x.findIndex((x) => x >= from);
    if (start < 0) return [];
    let end = start;
    while (end < this.x.length && this.x[end] <= to) end++;
    start = Math.max(0, start - 1);
    return this.y.slice(start, end + 1);
  }
}

// An axis that ends on round numbers: it does not tremble with every new point.
function roundRange(low, high) {
  const step = 10 ** Math.floor(Math.log10((high - low || Math.abs(high) || 1) / 2));
  return [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
}

// Shares: never zoomed below five points, never beyond 0 and 1 by more than a line's width.
function shareRange(values) {
  const high = Math.max(...values);
  const low = Math.min(...values);
  const spread = Math.max(high - low, 0.05);
  const bottom = Math.max(0, Math.floor((low - 0.08 * spread) * 20) / 20);
  const top = Math.min(1, Math.ceil((high + 0.08 * spread) * 20) / 20);
  return [bottom, top === 1 ? 1.004 : top];
}

// Labels of a log axis: 1, 2 and 5 of each decade while they fit, else the decades.
function logTicks([low, high]) {
  const steps = high - low < 1.6 ? [1, 2, 5] : high - low < 3 ? [1, 3] : [1];
  const ticks = [];
  for (let decade = Math.floor(low); decade <= high; decade++) {
    for (const step of steps) ticks.push(step * 10 ** decade);
  }
  const shown = ticks.filter((tick) => Math.log10(tick) >= low && Math.log10(tick) <= high);
  const text = (tick) => (tick >= 1e-3 && tick < 1e4 ? String(Number(tick.toPrecision(1))) : digits(tick).replace("1.0×", ""));
  return { tickmode: "array", tickvals: shown, ticktext: shown.map(text) };
}

// The range of a y axis in Plotly's terms (exponents of ten on a log axis).
function valueRange(values, panel, log) {
  const usable = log ? values.filter((value) => value > 0) : values;
  if (usable.length === 0) return log ? [-1, 0] : [0, 1];
  const low = Math.min(...usable);
  const high = Math.max(...usable);
  if (log) return [Math.log10(low) - 0.08, Math.log10(high) + 0.08];
  if (panel.percent) return shareRange(usable);
  return roundRange(low >= 0 && low < high / 2 ? 0 : low, high);
}
