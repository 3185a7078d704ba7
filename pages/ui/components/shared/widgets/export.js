// Download of figures as SVG or PNG, and of any other file.

import { context2d, html, svg } from "../dom.js";
import { readTheme } from "../theme.js";

// Style properties that an exported drawing contains, since it has no style sheet.
const EXPORTED_PROPERTIES = [
  "fill",
  "fill-opacity",
  "stroke",
  "stroke-width",
  "stroke-dasharray",
  "stroke-opacity",
  "opacity",
  "font-family",
  "font-size",
  "font-weight",
  "text-anchor",
  "dominant-baseline",
  "visibility",
];
export const EXPORT_SCALE = 2; // pixels of an exported image per pixel on the screen

/**
 * @param {string} text
 * @param {string} label
 * @param {() => void} onclick
 */
export function toolButton(text, label, onclick) {
  return html("button", { type: "button", "aria-label": label, onclick }, text);
}

/**
 * Return an SVG with its own background and styles, as text.
 * @param {SVGSVGElement} chart
 * @param {(copy: Element) => void} [finish] adds the parts that are not SVG on the page
 */
export function standaloneSvg(chart, finish) {
  const copy = /** @type {SVGSVGElement} */ (chart.cloneNode(true));
  const originals = [chart, ...chart.querySelectorAll("*")];
  const copies = [copy, .../** @type {NodeListOf<SVGElement>} */ (copy.querySelectorAll("*"))];
  originals.forEach((node, i) => {
    const style = getComputedStyle(node);
    for (const property of EXPORTED_PROPERTIES) copies[i].style.setProperty(property, style.getPropertyValue(property));
  });
  finish?.(copy);
  copy.prepend(svg("rect", { width: "100%", height: "100%", fill: readTheme(chart).background }));
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.prepend(svg("title", {}, chart.getAttribute("aria-label") ?? ""));
  return new XMLSerializer().serializeToString(copy);
}

/**
 * @param {string} name
 * @param {string} text of the SVG
 */
export function saveSvg(name, text) {
  saveFile(name, "svg", new Blob([text], { type: "image/svg+xml" }));
}

/**
 * @param {string} name
 * @param {string} text of the SVG
 * @param {{width: number, height: number}} size
 */
export async function savePng(name, text, { width, height }) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await image.decode();
  const canvas = html("canvas", { width: EXPORT_SCALE * width, height: EXPORT_SCALE * height });
  context2d(canvas).drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => blob && saveFile(name, "png", blob));
}

/**
 * @param {string} name
 * @param {string} extension
 * @param {Blob} blob
 */
export function saveFile(name, extension, blob) {
  const address = URL.createObjectURL(blob);
  html("a", { href: address, download: `distillery-${name}.${extension}` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
