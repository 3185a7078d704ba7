// Mounting of components, one view per element that Streamlit provides, with its styles and its updates.

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
 * Numbers of redraws, in total and by component, for browser tests and benchmarks.
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
    text.catch(() => sheets.delete(address)); // so that the next update retries
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
      addRoles(root, data?.styles);
      const view = withErrorMessage(root, () => new ViewClass(root));
      if (!view) return undefined;
      entry = { root, style, view };
      views.set(parentElement, entry);
    }
    addRoles(entry.root, data?.styles);
    withErrorMessage(entry.root, () => entry.view.update(data ?? {}, { setStateValue, setTriggerValue }));
    // Streamlit also calls this when a newer update has overtaken this one, on a busy computer before that update has
    // arrived here. So only an element that is no longer on the page loses its view.
    return () =>
      setTimeout(() => {
        if (views.get(parentElement) !== entry || entry.root.isConnected) return;
        entry.view.destroy();
        entry.root.remove();
        entry.style.remove();
        views.delete(parentElement);
      });
  };
}

/**
 * Run a function; show an error message on the screen if it throws, and log the traceback in the browser's console.
 * @template T
 * @param {HTMLElement} root
 * @param {() => T} callback
 */
function withErrorMessage(root, callback) {
  try {
    return callback();
  } catch (error) {
    console.error(error);
    const sentence = "This figure could not be drawn. Reload the page to try again. No data is lost.";
    root.append(html("p", { class: "dst-empty", role: "alert" }, sentence));
    return null;
  }
}

/**
 * Return a function that requests a redraw; `draw` runs at most once per animation frame.
 * @param {() => void} draw
 * @param {string} [name] of the component in `counts`
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
 * Report the width of a node whenever it changes; return a function that stops observing.
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
