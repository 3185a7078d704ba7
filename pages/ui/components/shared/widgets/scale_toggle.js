// Toggle between a linear and a logarithmic scale.

import { html, setAttributes } from "../dom.js";

export class ScaleToggle {
  log = false;

  /**
   * @param {(isLog: boolean) => void} onChange
   * @param {string} [subject] what the scale measures
   */
  constructor(onChange, subject = "probabilities") {
    const button = (/** @type {boolean} */ log) => {
      const choose = () => {
        this.set(log);
        onChange(log);
      };
      return html("button", { type: "button", onclick: choose }, log ? "log" : "linear");
    };
    this.buttons = [false, true].map(button);
    const group = { class: "dst-toggle", role: "group", "aria-label": `Scale of the ${subject}` };
    this.node = html("div", group, this.buttons);
    this.set(false);
  }

  /** @param {boolean} log */
  set(log) {
    this.log = log;
    for (const [i, button] of this.buttons.entries())
      setAttributes(button, { "aria-pressed": String(log === (i === 1)) });
  }
}
