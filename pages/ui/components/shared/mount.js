// Mounting of components: one view per element that Streamlit gives us, with its styles and its updates.

import { html } from "./dom.js";
import { addRoles } from "./theme.js";

/**
 * @typedef {{
 *   setStateValue: (name: string, value: unknown) => void,
 *   setTriggerValue: (name: string, value: unknown) => void,
 * }} Callbacks
 * @typedef {{update: (data: any, callbacks: Callbacks) => void, destroy: () => void}} View
 * @typedef {Callbacks & {parentElement: HTMLElement | ShadowRoot, data: any}} Component
 */

/**
 * Counts of redraws, in all and by component, for browser tests and benchmarks.
 * @type {{redraws: number, drawn: Record<string, number>, stores?: Map<string, object>}}
 */
export const counts = { redraws: 0, drawn: {} };
Object.assign(window, { __distillery: counts });

/** Style sheets by address: each is downloaded once per browser page. @type {Map<string, Promise<string>>} */
const sheets = new Map();

/** @param {string} address */
function loadSheet(address) {
  if (!sheets.has(address)) {
    const text = fetch(address).then((response) => {
      if (!response.ok) throw new Error(`${address}: ${response.status}`);
      return response.text();
    });
    text.catch(() => sheets.delete(address)); // the next update tries again
    sheets.set(address, text);
  }
  return sheets.get(address);
}

/**
 * Turn a view class into the function that Streamlit calls at every update with the same parentElement.
 * A view is built once per element.
 * @param {new (root: HTMLElement) => View} ViewClass
 * @param {string} moduleUrl import.meta.url of the component
 * @param {string[]} names style sheets of the component, relative to its module
 */
export function mount(ViewClass, moduleUrl, names) {
  const addresses = [new URL("base.css", import.meta.url), ...names.map((name) => new URL(name, moduleUrl))];
  for (const address of addresses) loadSheet(address.href);
  const views = new WeakMap();

  /** @param {Component} component */
  return async function render({ parentElement, data, setStateValue, setTriggerValue }) {
    const styles = (await Promise.all(addresses.map(({ href }) => loadSheet(href)))).join("\n");
    let entry = views.get(parentElement);
    if (!entry) {
      const root = html("div", { class: "dst" });
      const style = html("style", {}, styles);
      parentElement.append(style, root);
      addRoles(root, data?.looks);
      const view = withErrorMessage(root, () => new ViewClass(root));
      if (!view) return undefined;
      entry = { root, style, serial: 0, view };
      views.set(parentElement, entry);
    }
    const serial = ++entry.serial;
    addRoles(entry.root, data?.looks);
    withErrorMessage(entry.root, () => entry.view.update(data ?? {}, { setStateValue, setTriggerValue }));
    // The clean-up of an update that a newer one overtook arrives while the element is mounted: it is ignored.
    return () =>
      setTimeout(() => {
        if (views.get(parentElement) !== entry) return;
        if (entry.root.isConnected && entry.serial !== serial) return;
        entry.view.destroy();
        entry.root.remove();
        entry.style.remove();
        views.delete(parentElement);
      });
  };
}

/**
 * Run a function; an error becomes a sentence on the screen, and its traceback goes to the browser's console.
 * @template T
 * @param {HTMLElement} root
 * @param {() => T} act
 */
function withErrorMessage(root, act) {
  try {
    return act();
  } catch (error) {
    console.error(error);
    const sentence = "This figure could not be drawn. Reload the page to try again. No data is lost.";
    root.append(html("p", { class: "dst-empty", role: "alert" }, sentence));
    return null;
  }
}

/**
 * Return a function that asks for a redraw: `draw` runs at most once per frame of the screen, however often it is
 * asked.
 * @param {() => void} draw
 * @param {string} [name] of the component, for the counts
 */
export function redrawScheduler(draw, name = "") {
  let pending = 0;
  const request = () => {
    pending ||= requestAnimationFrame(() => {
      pending = 0;
      counts.redraws += 1;
      counts.drawn[name] = (counts.drawn[name] ?? 0) + 1;
      draw();
    });
  };
  request.cancel = () => {
    cancelAnimationFrame(pending);
    pending = 0;
  };
  return request;
}

/**
 * Report the width of a node whenever it changes; returns a function that stops.
 * @param {Element} node
 * @param {(width: number) => void} report
 */
export function observeWidth(node, report) {
  let last = 0;
  const observer = new ResizeObserver(([entry]) => {
    const width = Math.floor(entry.contentRect.width);
    if (width > 0 && width !== last) {
      last = width;
      report(width);
    }
  });
  observer.observe(node);
  return () => observer.disconnect();
}
