// Identity of a browser in a room, kept in the browser, and whether its owner has touched the page.
//
// Payload: room, its key; member, the identifier that the room has issued, or "" to ask for the one that is kept;
// isFollowing. Shows nothing. Sets the state `stored` to the identifier that is kept ("none" without one) and, at the first
// press or key outside of the bar of the room while it follows, the state `touched` to the time. A trigger is lost with a
// run of the page that is stopped before it begins.

import { mount } from "../shared/mount.js";

const BAR = "[class*='st-key-classroom']";

class RoomMember {
  isFollowing = false;
  sent = "";
  /** @type {(name: string, value: unknown) => void} */
  setStateValue = () => {};

  /** @param {HTMLElement} root */
  constructor(root) {
    root.hidden = true;
    this.onTouch = (/** @type {Event} */ event) => {
      const isInBar = event.target instanceof Element && event.target.closest(BAR);
      if (!this.isFollowing || isInBar) return;
      this.isFollowing = false;
      this.setStateValue("touched", Date.now());
    };
    for (const name of ["pointerdown", "keydown"]) document.addEventListener(name, this.onTouch, true);
  }

  /**
   * @param {{room: string, member: string, isFollowing: boolean}} data
   * @param {import("../shared/mount.js").Callbacks} callbacks
   */
  update({ room, member, isFollowing }, { setStateValue }) {
    this.setStateValue = setStateValue;
    this.isFollowing = isFollowing;
    const key = `distillery room ${room}`;
    try {
      if (member) localStorage.setItem(key, member);
      else this.#send(localStorage.getItem(key) ?? "none");
    } catch {
      if (!member) this.#send("none"); // a private window, in which every reload is another member
    }
  }

  /** @param {string} kept */
  #send(kept) {
    if (kept === this.sent) return;
    this.sent = kept;
    this.setStateValue("stored", kept);
  }

  destroy() {
    for (const name of ["pointerdown", "keydown"]) document.removeEventListener(name, this.onTouch, true);
  }
}

export default mount(RoomMember, import.meta.url, []);
