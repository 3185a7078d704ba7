// Lessons that were completed in this browser, and kept there.
//
// Payload: completed, the name of a lesson to add or "". Shows nothing, and sets the state `completed` to all names.

import { mount } from "../shared/mount.js";

const KEY = "distillery completed lessons";

/** Return the names that are kept; none where the browser keeps nothing. @returns {string[]} */
function stored() {
  try {
    const names = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(names) ? names.filter((name) => typeof name === "string") : [];
  } catch {
    return [];
  }
}

class LessonProgress {
  sent = "";

  /** @param {HTMLElement} root */
  constructor(root) {
    root.hidden = true;
  }

  /**
   * @param {{completed: string}} data
   * @param {import("../shared/mount.js").Callbacks} callbacks
   */
  update({ completed }, { setStateValue }) {
    const names = stored();
    if (completed && !names.includes(completed)) {
      names.push(completed);
      try {
        localStorage.setItem(KEY, JSON.stringify(names));
      } catch {
        // a private window; the lesson counts until the page is closed
      }
    }
    const text = names.join();
    if (text === this.sent) return;
    this.sent = text;
    setStateValue("completed", names);
  }

  destroy() {}
}

export default mount(LessonProgress, import.meta.url, []);
