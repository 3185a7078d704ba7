// Functions that create and change HTML and SVG elements.

/** @typedef {Record<string, any>} Attributes */
/** @typedef {Node | string | null | undefined | false | Child[]} Child */

/**
 * Set attributes and listeners (names that begin with "on") of an element and append its children.
 * Strings become text nodes, so text written by users is never parsed as HTML.
 * @template {Element} T
 * @param {T} node
 * @param {Attributes} attributes
 * @param {Child[]} children
 * @returns {T}
 */
export function populate(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  const nodes = /** @type {any[]} */ (children).flat(Infinity);
  node.append(...nodes.filter((child) => child != null));
  return node;
}

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Attributes} [attributes]
 * @param {Child[]} children
 */
export const html = (tag, attributes = {}, ...children) => populate(document.createElement(tag), attributes, children);

/**
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Attributes} [attributes]
 * @param {Child[]} children
 */
export const svg = (tag, attributes = {}, ...children) =>
  populate(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

/**
 * @param {Element} node
 * @param {Attributes} values
 */
export function setAttributes(node, values) {
  for (const [name, value] of Object.entries(values)) node.setAttribute(name, value);
}

/**
 * Set the text of a node if it changed. Setting an unchanged text would make a screen reader read it again.
 * @param {Node} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Return the position of a pointer in an element, in its own pixels, which projector mode enlarges.
 * @param {Element} node
 * @param {{clientX: number, clientY: number}} event
 */
export function pointerPosition(node, { clientX, clientY }) {
  const { left, top } = node.getBoundingClientRect();
  const zoom = /** @type {{currentCSSZoom?: number}} */ (/** @type {unknown} */ (node)).currentCSSZoom ?? 1;
  return [(clientX - left) / zoom, (clientY - top) / zoom];
}

/** @param {HTMLCanvasElement} canvas whose context is always 2d */
export const context2d = (canvas) => /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
