// Numbers in the LaTeX of a formula.

/** @typedef {{label: string, low: number, step: number, numbers: Record<string, (string | null)[]>}} Slider */

const NUMBER = /\d+(?:\.\d+)?/g;

/** @param {string} text */
export const numbersIn = (text) => text.match(NUMBER) ?? [];

/**
 * Return a text without its numbers, the same for all values of a slider.
 * @param {string} text
 */
export const skeleton = (text) => text.replace(NUMBER, "#");

/**
 * Replace the numbers of a text one after the other.
 * @param {string} text
 * @param {string[]} numbers
 */
export function insertNumbers(text, numbers) {
  let next = 0;
  return text.replace(NUMBER, (number) => numbers[next++] ?? number);
}

/**
 * Return the numbers of a formula for the values of its sliders, null if it then has other terms.
 * A slider that is not on the page has the value NaN and changes nothing.
 * @param {string} latex
 * @param {Slider[]} sliders
 * @param {number[]} values
 */
export function numbersAt(latex, sliders, values) {
  const all = [...numbersIn(latex)];
  for (const [i, { low, step, numbers }] of sliders.entries()) {
    if (Number.isNaN(values[i])) continue;
    for (const [place, texts] of Object.entries(numbers)) {
      const text = texts[Math.round((values[i] - low) / step)];
      if (text == null) return null;
      all[Number(place)] = text;
    }
  }
  return all;
}
