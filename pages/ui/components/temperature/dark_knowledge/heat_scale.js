// Colour scales of heat maps.

import { parseColour } from "../../shared/theme.js";

/** @typedef {{stops: string[], pixels: Uint32Array}} ColourRamp */

/**
 * Return 256 colours between equally spaced stops, as pixels of image data, and the stops for the colour bar.
 * @param {string[]} stops
 * @param {(colour: string) => number[]} [parse]
 * @returns {ColourRamp}
 */
export function colourRamp(stops, parse = parseColour) {
  const colours = stops.map(parse);
  const pixels = Uint32Array.from({ length: 256 }, (_, i) => {
    const place = (i / 255) * (stops.length - 1);
    const from = Math.min(Math.floor(place), stops.length - 2);
    const mix = (/** @type {number} */ part) => {
      const [start, end] = [colours[from][part], colours[from + 1][part]];
      return Math.round(start + (place - from) * (end - start));
    };
    const [red, green, blue] = [0, 1, 2].map(mix);
    return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  });
  return { stops, pixels };
}

/**
 * Return the function from a value to its position on a colour scale, 0 to 1, or NaN.
 * @param {{low: number, high: number, log?: boolean}} scale
 * @returns {(value: number) => number}
 */
export function colourScale({ low, high, log }) {
  if (!(high > low)) return (value) => (Number.isFinite(value) ? Number(value > high) : Number.NaN);
  if (!log) return (value) => (value - low) / (high - low);
  const range = Math.log(high / low);
  return (value) => (value > 0 ? Math.log(value / low) / range : value * 0);
}
