// Markers of the classes.

import palette from "./palette.js";

/**
 * Return the marker of a class as an SVG path relative to the centre of a point, for example "M10,20" + markerPath(...).
 * @param {number} label
 * @param {number} radius
 * @returns {string}
 */
export function markerPath(label, radius) {
  const r = radius;
  /** @type {Record<string, string>} */
  const paths = {
    circle: `m${-r},0a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0Z`,
    triangle: `m0,${-1.2 * r}l${1.1 * r},${2 * r}h${-2.2 * r}Z`,
    square: `m${-0.9 * r},${-0.9 * r}h${1.8 * r}v${1.8 * r}h${-1.8 * r}Z`,
    diamond: `m0,${-1.25 * r}l${1.25 * r},${1.25 * r}l${-1.25 * r},${1.25 * r}l${-1.25 * r},${-1.25 * r}Z`,
  };
  return paths[palette.classMarkers[label % palette.classMarkers.length]];
}

/**
 * Return the marker of a class as a character.
 * @param {number} label
 */
export const markerGlyph = (label) => palette.classGlyphs[label % palette.classGlyphs.length];
