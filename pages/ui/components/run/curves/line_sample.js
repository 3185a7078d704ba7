// Legend sample of a series.

import { svg } from "../../shared/dom.js";

/**
 * Return a sample of a series' line and marker. Beside the end of the line the marker is enough, if it has one.
 * @param {import("../../shared/theme.js").RoleStyle} style
 * @param {string | undefined} kind
 * @param {boolean} [isShort]
 */
export function lineSample(style, kind, isShort = false) {
  const viewBox = isShort ? "8 0 10 12" : "0 0 26 12";
  const size = { width: isShort ? 10 : 26, height: 12, viewBox, "aria-hidden": "true" };
  const node = svg("svg", { class: "dst-sample", ...size });
  const line = {
    x1: isShort ? 8 : 0,
    x2: isShort ? 18 : 26,
    y1: 6,
    y2: 6,
    stroke: style.colour,
    "stroke-width": kind === "thin" ? 1 : style.width,
    "stroke-dasharray": style.dash === "solid" ? "none" : style.dash,
    opacity: kind === "raw" ? 0.35 : 1,
  };
  if (!isShort || kind === "thin") node.append(svg("line", line));
  if (kind === "thin") return node; // thin lines have no marker
  const fill = style.glyph === "○" ? "var(--background)" : style.colour;
  const paint = { fill, stroke: style.colour, "stroke-width": 1.5 };
  if (style.glyph === "■") node.append(svg("rect", { x: 9.5, y: 2.5, width: 7, height: 7, ...paint }));
  else node.append(svg("circle", { cx: 13, cy: 6, r: 3.5, ...paint }));
  return node;
}
