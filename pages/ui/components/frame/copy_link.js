// Button that copies the address of the page, in which all that is chosen on it is written. Payload: none.

import { html, setText } from "../shared/dom.js";
import { mount } from "../shared/mount.js";

const SECONDS = 4; // for which the result is shown

class CopyLink {
  #timer = 0;

  /** @param {HTMLElement} root */
  constructor(root) {
    root.classList.add("dst-copy-link");
    this.button = html("button", { type: "button", title: "Copy a link to this view", onclick: () => this.#copy() });
    this.button.append("Copy link");
    this.status = html("span", { class: "dst-copy-status", role: "status" });
    this.address = html("input", { type: "text", readonly: true, "aria-label": "Link to this view" });
    this.address.hidden = true;
    this.address.addEventListener("blur", () => this.#show("", false));
    this.address.addEventListener("keydown", ({ key }) => {
      if (key === "Escape") this.button.focus();
    });
    root.append(this.button, this.status, this.address);
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(location.href);
      this.#show("Link copied", false);
    } catch {
      // Without HTTPS a browser allows no page to write to the clipboard, except on this machine.
      this.address.value = location.href;
      this.#show("Press Ctrl+C", true);
      this.address.select();
    }
  }

  /**
   * @param {string} text
   * @param {boolean} hasAddress
   */
  #show(text, hasAddress) {
    clearTimeout(this.#timer);
    this.address.hidden = !hasAddress;
    setText(this.status, text);
    if (text && !hasAddress) this.#timer = window.setTimeout(() => this.#show("", false), 1000 * SECONDS);
  }

  update() {}
  destroy() {
    clearTimeout(this.#timer);
  }
}

export default mount(CopyLink, import.meta.url, ["copy_link.css"]);
