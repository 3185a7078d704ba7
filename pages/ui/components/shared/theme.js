// Colours and font of the current theme, and the style of each network.

import { context2d } from "./dom.js";
import palette from "./palette.js";

/**
 * @typedef {{
 *   name: string,
 *   colour: string,
 *   dash: string,
 *   width: number,
 *   symbol: string,
 *   glyph: string,
 *   fill: string,
 * }} RoleStyle
 */
/** @typedef {ReturnType<typeof readTheme>} Theme */

/**
 * Styles of networks beyond those of the palette, by the root element of a component.
 * @type {WeakMap<Element, Record<string, any>>}
 */
const extraRoles = new WeakMap();

/**
 * Add the styles of the networks of one component.
 * @param {Element} root
 * @param {Record<string, any> | undefined} roles
 */
export function addRoles(root, roles) {
  if (roles) extraRoles.set(root, { ...extraRoles.get(root), ...roles });
}

/**
 * Read the theme from the styles of an element inside a component.
 * Streamlit updates a component when the theme changes, so reading the theme at each update is enough.
 * @param {Element} node
 */
export function readTheme(node) {
  const style = getComputedStyle(node);
  const background = style.getPropertyValue("--st-background-color").trim() || "#ffffff";
  const text = style.getPropertyValue("--st-text-color").trim() || "#31333f";
  const [red, green, blue] = parseColour(background);
  const dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 128;
  const mode = dark ? "dark" : "light";
  const target = parseColour(text);
  /** @param {number} fraction */
  const mix = (fraction) =>
    `rgb(${[red, green, blue].map((from, i) => Math.round(from + fraction * (target[i] - from))).join(", ")})`;
  /** @type {Record<string, any>} */
  const roles = { ...palette.roles, ...extraRoles.get(node.closest(".dst") ?? node) };
  return {
    dark,
    background,
    text,
    // The fractions of --muted and --rule in base.css, for canvases and Plotly.
    muted: mix(0.7),
    rule: mix(0.13),
    font: style.fontFamily,
    /**
     * @param {string} name
     * @returns {RoleStyle}
     */
    role(name) {
      const role = roles[name] ?? roles.labels;
      return { ...role, colour: role[mode] };
    },
    /**
     * Return the colour of a class; classes beyond the eighth are grey and differ by their names.
     * @param {number} index
     * @returns {string}
     */
    classColour: (index) => palette.classes[mode][index] ?? (dark ? "#b3b3b3" : "#6b6b6b"),
  };
}

/**
 * Read the theme in which each role has the name and style of its network.
 * @param {Element} node
 * @param {{ names?: Record<string, string>, networks?: Record<string, string> }} spec
 */
export function readNetworkTheme(node, { names = {}, networks = {} }) {
  const theme = readTheme(node);
  const role = (/** @type {string} */ name) => {
    const style = theme.role(networks[name] ?? name);
    return { ...style, name: names[name] ?? style.name };
  };
  return { ...theme, role };
}

/**
 * Return red, green and blue (0 to 255) of any CSS colour, as parsed by a canvas.
 * @param {string} colour
 * @returns {number[]}
 */
export function parseColour(colour) {
  const context = drawingContext();
  context.fillStyle = "#ffffff";
  context.fillStyle = colour;
  const text = /** @type {string} */ (context.fillStyle);
  if (text.startsWith("#")) return [1, 3, 5].map((start) => Number.parseInt(text.slice(start, start + 2), 16));
  return (text.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number);
}

/** @type {CanvasRenderingContext2D | null} */
let hiddenContext = null;

/** Return the context of an invisible canvas, which parses colours and measures text. */
export const drawingContext = () => (hiddenContext ??= context2d(document.createElement("canvas")));

export const prefersReducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
