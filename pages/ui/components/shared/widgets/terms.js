// Terms of the glossary in a text. A term is a button that opens its definition in place.
//
// The segments of a text come from pages/ui/widgets/text/glossary.py, strings and definitions in turn.

import { html } from "../dom.js";

/** @typedef {{text: string, name: string, definition: string, anchor: string}} Definition */

const MARGIN = 8; // pixels between a definition and the edge of the window
const GAP = 6; // pixels between a term and its definition
let serial = 0;

/**
 * Return the nodes of a text. The rest of a word and the punctuation after a term stay on its line.
 * @param {(string | Definition)[]} segments
 */
export const textNodes = (segments) =>
  segments.map((segment, i) => {
    const rest = /^\S*/;
    if (typeof segment === "string") return i ? segment.replace(rest, "") : segment;
    const next = segments[i + 1];
    const tail = typeof next === "string" ? (next.match(rest)?.[0] ?? "") : "";
    return html("span", { class: "dst-unbroken" }, termNode(segment), tail);
  });

/**
 * Return a term with its definition. Escape, a second click and a click elsewhere close it, as the browser does for
 * every popover.
 * @param {Definition} definition
 */
export function termNode({ text, name, definition, anchor }) {
  const id = `dst-term-${++serial}`;
  const link = html("a", { href: `glossary#${anchor}`, target: "_blank", rel: "noopener" }, "More in the glossary");
  const title = html("b", {}, name);
  const attributes = {
    id,
    popover: "auto",
    class: "dst-definition",
    role: "note",
    "aria-label": `Definition of ${name}`,
  };
  const note = html("span", attributes, title, ` ${definition} `, link);
  const button = html("button", { type: "button", class: "dst-term", popovertarget: id }, text);
  note.addEventListener("toggle", () => place(note, button));
  return html("span", { class: "dst-term-and-definition" }, button, note);
}

/**
 * Place an open definition below its term, above it where there is no room, and inside the window.
 * @param {HTMLElement} note
 * @param {HTMLElement} button
 */
function place(note, button) {
  if (!note.matches(":popover-open")) return;
  const term = button.getBoundingClientRect();
  const { width, height } = note.getBoundingClientRect();
  const left = Math.max(MARGIN, Math.min(term.left, innerWidth - width - MARGIN));
  const below = term.bottom + GAP;
  const top = below + height + MARGIN <= innerHeight ? below : Math.max(MARGIN, term.top - GAP - height);
  Object.assign(note.style, { left: `${left}px`, top: `${top}px`, visibility: "visible" });
}
