// How long the gradients of one student are, against one teacher and the labels, over the temperature.
// With p and q softened, the gradient of T²·KL(p ‖ q) with respect to the student's logits is T · (q − p).

class Lengths {
  constructor(student, teacher, labels, range) {
    Object.assign(this, { student, teacher, labels, range });
    const count = student.length / labels.length;
    [this.p, this.q] = [new Float64Array(count), new Float64Array(count)];
    this.grid = temperatureGrid(range);
    this.kept = new Map();
    // Both ends first, then ever finer, so that the first frame has the whole curve already.
    const last = this.grid.length - 1;
    this.waiting = [...new Set([last, last / 2, last / 4, last / 12, 1].flatMap((step) => this.grid.map((_, i) => i).filter((i) => i % step === 0)))];
    this.fromLabels = this.#mean((start, n) => {
      soften(this.q, student, start, 1);
      this.p.fill(0)[labels[n]] = 1;
      return apart(this.q, this.p, labels[n]);
    });
  }

  isOf(student, teacher, labels, range) {
    return this.student === student && this.teacher === teacher && this.labels === labels && String(this.range) === String(range);
  }
  #mean(length) {
    let sum = 0;
    this.labels.forEach((_, n) => (sum += length(n * this.p.length, n)));
    return sum / this.labels.length;
  }
  #measure(temperature) {
    return this.#mean((start) => {
      soften(this.q, this.student, start, temperature);
      soften(this.p, this.teacher, start, temperature);
      return apart(this.q, this.p, topOf(this.p));
    });
  }

  at(temperature) {
    if (this.present?.temperature !== temperature) this.present = this.#signals(temperature, this.#measure(temperature));
    return this.present;
  }
  #signals(temperature, distance) {
    return { temperature, labels: this.fromLabels, with: temperature * distance, without: distance / temperature };
  }
  // Works on the grid until the time is over.
  sharpen(milliseconds = Infinity) {
    const end = performance.now() + milliseconds;
    while (this.waiting.length && performance.now() < end) {
      const i = this.waiting.shift();
      this.kept.set(i, this.#signals(this.grid[i], this.#measure(this.grid[i])));
    }
  }
  get curve() {
    return [...this.kept.keys()].sort((a, b) => a - b).map((i) => this.kept.get(i));
  }
}

function soften(into, logits, start, temperature) {
  const count = into.length;
  const top = logits[start + topOf(logits, start, count)];
  let sum = 0;
  for (let k = 0; k < count; k += 1) sum += into[k] = Math.exp((logits[start + k] - top) / temperature);
  for (let k = 0; k < count; k += 1) into[k] /= sum;
}
// ‖q − p‖. Both sum to 1: the difference at the likeliest class is what the others leave, free of 1 − 1 in rounding.
function apart(q, p, top) {
  let squares = 0;
  let rest = 0;
  for (let k = 0; k < q.length; k += 1) {
    if (k === top) continue;
    const difference = q[k] - p[k];
    rest += difference;
    squares += difference * difference;
  }
  return Math.sqrt(squares + rest * rest);
}
