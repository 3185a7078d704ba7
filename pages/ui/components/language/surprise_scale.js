// Colours of characters by how likely the teacher finds them, bright for likely and dark for unlikely.

import palette from "../shared/palette.js";

export const MOST_BITS = 8; // from here on a character has the darkest colour
export const UNLIKELY = 0.05; // probability below which a character is underlined

/**
 * Return the number of a colour in the sequential scale of the palette.
 * @param {number} bits -log2 of the teacher's probability
 */
export function level(bits) {
  const fraction = Math.min(1, Math.max(0, bits / MOST_BITS));
  return Math.round((1 - fraction) * (palette.sequential.length - 1));
}

/** @param {number} bits */
export const probability = (bits) => 2 ** -bits;

/**
 * Return black or white, whichever has more contrast on a colour (WCAG 2.2, relative luminance).
 * @param {string} colour as #rrggbb
 */
export function textColour(colour) {
  const [red, green, blue] = [1, 3, 5].map((start) => {
    const part = Number.parseInt(colour.slice(start, start + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return (luminance + 0.05) ** 2 > 1.05 * 0.05 ? "#000000" : "#ffffff";
}

/** Background and text colour of each level. */
export const COLOURS = palette.sequential.map((background) => ({ background, text: textColour(background) }));

/**
 * Return the position of the value in a list of temperatures that is nearest on a logarithmic scale.
 * @param {number[]} temperatures
 * @param {number} temperature
 */
export function nearest(temperatures, temperature) {
  const distance = (/** @type {number} */ other) => Math.abs(Math.log(other / temperature));
  return temperatures.reduce((best, other, i) => (distance(other) < distance(temperatures[best]) ? i : best), 0);
}
