// The probability field of one network over the plane: its picture and its decision boundary.

class Field {
  // bytes of one frame: (row * size + column) * classes + class, rows from the lowest y, 255 for probability 1
  constructor(encoded, size, classes) {
    this.size = size;
    this.classes = classes;
    this.bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
  }

  // One pixel per grid point; the browser's interpolation makes it smooth. Each colour is the mixture of the class
  // colours, and pales to the background where no class leads, so that the boundary shows as a valley of light.
  picture(colours, background, strength) {
    const { size, classes, bytes } = this;
    const canvas = new OffscreenCanvas(size, size);
    const context = canvas.getContext("2d");
    const image = context.createImageData(size, size);
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
        const lead = (top / (total || 1) - 1 / classes) / (1 - 1 / classes);
        const weight = strength * Math.max(0, lead) ** 0.8;
        for (let channel = 0; channel < 3; channel++) {
          let mixed = 0;
          for (let k = 0; k < classes; k++) mixed += (bytes[at + k] / (total || 1)) * colours[k][channel];
          image.data[to + channel] = background[channel] + weight * (mixed - background[channel]);
        }
        image.data[to + 3] = 255;
      }
    }
    context.putImageData(image, 0, 0);
    return canvas;
  }

  // The boundary as segments in grid units, y upwards: marching squares on each class's lead over the others.
  boundary() {
    const { size, classes } = this;
    const segments = [];
    // Between two classes the lead of one is the other's deficit: one contour says it all.
    for (let k = classes === 2 ? 1 : 0; k < classes; k++) this.#contour(softened(this.#lead(k), size), segments);
    return segments;
  }

  #lead(k) {
    const { size, classes, bytes } = this;
    return Float32Array.from({ length: size * size }, (_, cell) => {
      let rival = 0;
      for (let j = 0; j < classes; j++) if (j !== k) rival = Math.max(rival, bytes[cell * classes + j]);
      return bytes[cell * classes + k] - rival;
    });
  }

  #contour(values, segments) {
    const { size } = this;
    const crossing = (ax, ay, a, bx, by, b) => {
      const t = a / (a - b);
      return [ax + t * (bx - ax), ay + t * (by - ay)];
    };
    for (let y = 0; y + 1 < size; y++) {
      for (let x = 0; x + 1 < size; x++) {
        const corners = [
          [x, y, values[y * size + x]],
          [x + 1, y, values[y * size + x + 1]],
          [x + 1, y + 1, values[(y + 1) * size + x + 1]],
          [x, y + 1, values[(y + 1) * size + x]],
        ];
        const cuts = [];
        for (let side = 0; side < 4; side++) {
          const from = corners[side];
          const to = corners[(side + 1) % 4];
          if (from[2] > 0 !== to[2] > 0) cuts.push(crossing(...from, ...to));
        }
        for (let i = 0; i + 1 < cuts.length; i += 2) segments.push([...cuts[i], ...cuts[i + 1]]);
      }
    }
  }
}

// A binomial blur of one cell: bytes are too coarse for a contour without steps.
function softened(values, size) {
  const along = (source, step, position) =>
    source.map((value, i) => {
      const at = position(i);
      const before = at > 0 ? source[i - step] : value;
      const after = at < size - 1 ? source[i + step] : value;
      return (before + 2 * value + after) / 4;
    });
  return along(along(values, 1, (i) => i % size), size, (i) => Math.floor(i / size));
}
