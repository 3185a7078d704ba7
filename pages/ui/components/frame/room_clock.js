// Clock of a presenter's room, and her keys: a clicker sends PageDown and PageUp.
//
// Payload: seconds since the room was opened, hasKeys. Sets the state `turned` to [1 or -1, a time]. A trigger is lost
// with a run of the page that is stopped before it begins.

import { html, setText } from "../shared/dom.js";
import { mount } from "../shared/mount.js";

class RoomClock {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.began = Date.now();
    this.text = html("span", { role: "timer", "aria-label": "Time since the room was opened" });
    root.append(this.text);
    this.timer = setInterval(() => this.#draw(), 1000);
    /** @type {(name: string, value: unknown) => void} */
    this.setStateValue = () => {};
    this.hasKeys = false;
    this.onKey = (/** @type {KeyboardEvent} */ event) => {
      const step = { PageDown: 1, PageUp: -1 }[event.key];
      const isTyping = event.target instanceof Element && event.target.closest("input, textarea, [role=slider]");
      if (!step || !this.hasKeys || isTyping) return;
      event.preventDefault();
      this.setStateValue("turned", [step, Date.now()]);
    };
    document.addEventListener("keydown", this.onKey);
  }

  /**
   * @param {{seconds: number, hasKeys: boolean}} data
   * @param {import("../shared/mount.js").Callbacks} callbacks
   */
  update({ seconds, hasKeys }, { setStateValue }) {
    this.setStateValue = setStateValue;
    this.hasKeys = hasKeys;
    this.began = Date.now() - 1000 * seconds;
    this.#draw();
  }

  #draw() {
    const seconds = Math.max(0, Math.floor((Date.now() - this.began) / 1000));
    setText(this.text, `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`);
  }

  destroy() {
    clearInterval(this.timer);
    document.removeEventListener("keydown", this.onKey);
  }
}

export default mount(RoomClock, import.meta.url, []);
