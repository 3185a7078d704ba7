// Paragraphs of text in which the terms of the glossary have their definitions.
//
// Payload: paragraphs, each a list of segments (shared/widgets/terms.js). Sets no states.

import { html } from "../shared/dom.js";
import { mount } from "../shared/mount.js";
import { textNodes } from "../shared/widgets/terms.js";

class Explanation {
  /** @param {HTMLElement} root */
  constructor(root) {
    root.classList.add("dst-explanation");
    this.root = root;
    this.text = "";
  }

  /** @param {any} data */
  update({ paragraphs }) {
    const text = JSON.stringify(paragraphs);
    if (text === this.text) return; // an open definition stays open
    this.text = text;
    this.root.replaceChildren(...paragraphs.map((/** @type {any[]} */ segments) => html("p", {}, textNodes(segments))));
  }

  destroy() {}
}

export default mount(Explanation, import.meta.url, ["../shared/widgets/terms.css", "explanation.css"]);
