// Summaries of distributions, as text alternative and as single numbers.

import { html } from "../dom.js";

/**
 * Return every network's top class and its probability, for a text alternative.
 * @param {Record<string, number[]>} logp log-probabilities by role
 * @param {string[]} classes
 */
export function describeTopClasses(logp, classes) {
  return Object.entries(logp)
    .map(([role, values]) => {
      const top = Math.max(...values);
      return `${role}'s top class ${classes[values.indexOf(top)]}, ${Math.round(100 * Math.exp(top))} percent`;
    })
    .join("; ");
}

/**
 * Return a number with its name and the marker of its network, if it belongs to one.
 * @param {string} name
 * @param {string} value
 * @param {{glyph?: string, colour?: string}} [style]
 */
export const namedValue = (name, value, { glyph, colour } = {}) =>
  html(
    "span",
    { class: "dst-named-value" },
    glyph ? html("i", { style: `color: ${colour}` }, glyph) : null,
    `${name} `,
    html("b", {}, value),
  );

/**
 * Return one line of named values, or null if there are none.
 * @param {string} name
 * @param {Element[]} values
 */
export const valueLine = (name, values) =>
  values.length ? html("p", {}, html("span", { class: "dst-muted" }, name), values) : null;
