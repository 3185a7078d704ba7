// Image and decision boundary of one network's probabilities over the plane.

/** @typedef {[number, number, number, number]} Segment x and y of its start and its end */

export class ProbabilityField {
  /**
   * @param {string} encoded base64 of bytes, 255 for probability 1: (row * size + column) * classes + class, rows from
   *   the lowest y
   * @param {number} size of the grid
   * @param {number} classes
   */
  constructor(encoded, size, classes) {
    this.size = size;
    this.classes = classes;
    this.bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
  }

  /**
   * Return a canvas with one pixel per grid point, which the browser interpolates. Each colour is a mixture of the class
   * colours, and fades to the background where no class leads, so that the boundary is light.
   * @param {number[][]} colours of the classes, as red, green and blue
   * @param {number[]} background
   * @param {number} strength of the colours, 0 to 1
   */
  image(colours, background, strength) {
    const { size, classes, bytes } = this;
    const canvas = new OffscreenCanvas(size, size);
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const pixels = context.createImageData(size, size);
    for (let row = 0; row < size; row++) {
      for (let column = 0; column < size; column++) {
        const at = (row * size + column) * classes;
        const to = ((size - 1 - row) * size + column) * 4;
        let total = 0;
        let top = 0;
        for (let k = 0; k < classes; k++) {
          total += bytes[at + k];
          top = Math.max(top, bytes[at + k]);
        }
        const margin = (top / (total || 1) - 1 / classes) / (1 - 1 / classes);
        const weight = strength * Math.max(0, margin) ** 0.8;
        for (let channel = 0; channel < 3; channel++) {
          let mixed = 0;
          for (let k = 0; k < classes; k++) mixed += (bytes[at + k] / (total || 1)) * colours[k][channel];
          pixels.data[to + channel] = background[channel] + weight * (mixed - background[channel]);
        }
        pixels.data[to + 3] = 255;
      }
    }
    context.putImageData(pixels, 0, 0);
    return canvas;
  }

  /** Return the boundary in grid units, y upwards, by marching squares on the margin of each class over the others. */
  boundary() {
    const { size, classes } = this;
    /** @type {Segment[]} */
    const segments = [];
    // The margins of two classes differ in sign only, so one contour is enough.
    for (let k = classes === 2 ? 1 : 0; k < classes; k++) segments.push(...contour(blur(this.#margin(k), size), size));
    return segments;
  }

  /** @param {number} k */
  #margin(k) {
    const { size, classes, bytes } = this;
    return Float32Array.from({ length: size * size }, (_, cell) => {
      let rival = 0;
      for (let j = 0; j < classes; j++) if (j !== k) rival = Math.max(rival, bytes[cell * classes + j]);
      return bytes[cell * classes + k] - rival;
    });
  }
}

/**
 * Return the contour at 0 of values on a square grid.
 * @param {ArrayLike<number>} values row by row
 * @param {number} size
 */
export function contour(values, size) {
  /** @type {Segment[]} */
  const segments = [];
  for (let y = 0; y + 1 < size; y++) {
    for (let x = 0; x + 1 < size; x++) {
      const corners = [
        [x, y],
        [x + 1, y],
        [x + 1, y + 1],
        [x, y + 1],
      ].map(([cx, cy]) => [cx, cy, values[cy * size + cx]]);
      const crossings = [];
      for (let side = 0; side < 4; side++) {
        const [ax, ay, a] = corners[side];
        const [bx, by, b] = corners[(side + 1) % 4];
        const t = a / (a - b);
        if (a > 0 !== b > 0) crossings.push([ax + t * (bx - ax), ay + t * (by - ay)]);
      }
      for (let i = 0; i + 1 < crossings.length; i += 2) {
        segments.push(/** @type {Segment} */ ([...crossings[i], ...crossings[i + 1]]));
      }
    }
  }
  return segments;
}

/**
 * Blur values on a square grid by one cell (binomial), since the contour of bytes would have steps.
 * @param {Float32Array} values
 * @param {number} size
 */
function blur(values, size) {
  const along = (
    /** @type {Float32Array} */ source,
    /** @type {number} */ step,
    /** @type {(i: number) => number} */ position,
  ) =>
    source.map((value, i) => {
      const at = position(i);
      const before = at > 0 ? source[i - step] : value;
      const after = at < size - 1 ? source[i + step] : value;
      return (before + 2 * value + after) / 4;
    });
  return along(
    along(values, 1, (i) => i % size),
    size,
    (i) => Math.floor(i / size),
  );
}
