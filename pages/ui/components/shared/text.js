// Line breaking and shortening of SVG text, which does neither by itself.

import { drawingContext } from "./theme.js";

/**
 * Return the width of a text in pixels.
 * @param {string} text
 * @param {string} font a CSS font
 */
export function textWidth(text, font) {
  const context = drawingContext();
  context.font = font;
  return context.measureText(text).width;
}

/**
 * Return the font of class names in the weight of the true class, the widest that they get.
 * @param {string} family
 */
export const labelFont = (family) => `600 14px ${family}`;

/**
 * Return the lines of a class name, one if it fits, else two where it can be broken, shortened as a last resort.
 * @param {string} name
 * @param {number} width
 * @param {string} family
 */
export function breakLabel(name, width, family) {
  const fits = (/** @type {string} */ text) => textWidth(text, labelFont(family)) <= width;
  if (fits(name)) return [name];
  const words = name.split(" ");
  const breaks = words.slice(1).map((_, i) => [words.slice(0, i + 1).join(" "), words.slice(i + 1).join(" ")]);
  const longest = (/** @type {string[]} */ lines) => Math.max(...lines.map((line) => line.length));
  const lines = breaks.sort((a, b) => longest(a) - longest(b))[0] ?? [name];
  return lines.map((line) => shorten(line, fits));
}

/**
 * Return the longest beginning of a name that fits, with an ellipsis where it was cut.
 * @param {string} name
 * @param {(text: string) => boolean} fits
 */
export function shorten(name, fits) {
  let short = name;
  while (short.length > 1 && !fits(short === name ? name : `${short}…`)) short = short.slice(0, -1);
  return short === name ? name : `${short}…`;
}

/**
 * Keep sizes such as 3 × 3 and 8 → 16 on one line, by no-break spaces.
 * @param {string} text
 */
export const withoutBreaks = (text) => text.replace(/ ([×→]) /g, "\u00a0$1\u00a0");

/**
 * Break a text into at most `maxLines` lines; text that does not fit ends in an ellipsis.
 * @param {string} text
 * @param {string} font
 * @param {number} width
 * @param {number} maxLines
 */
export function wrapText(text, font, width, maxLines) {
  const lines = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line ? `${line} ${word}` : word;
    if (line && textWidth(longer, font) > width) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  lines.push(line);
  const first = lines.slice(0, maxLines);
  if (lines.length > maxLines) first[maxLines - 1] += " …";
  return first.map((one) => cutText(one, font, width));
}

/**
 * Return a text on one line, cut at the width with an ellipsis.
 * @param {string} text
 * @param {string} font
 * @param {number} width
 */
export function cutText(text, font, width) {
  if (textWidth(text, font) <= width) return text;
  let shorter = text.replace(/ …$/, "");
  while (shorter && textWidth(`${shorter}…`, font) > width) shorter = shorter.slice(0, -1).trimEnd();
  return `${shorter}…`;
}
