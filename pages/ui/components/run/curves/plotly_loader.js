// Loader of Plotly, once per browser page, from this server.

import { html } from "../../shared/dom.js";

// publish() in __init__.py writes Plotly beside the folder of the components.
const ADDRESS = new URL("../../../plotly.min.js", import.meta.url).href;

/** @returns {any} */
const loaded = () => /** @type {{Plotly?: any}} */ (window).Plotly;

/** @type {Promise<any> | null} */
let loading = null;

/** Return a promise of the Plotly library. */
export function loadPlotly() {
  loading ??= loaded() ? Promise.resolve(loaded()) : loadScript();
  return loading;
}

function loadScript() {
  return new Promise((resolve, reject) => {
    const fail = () => {
      loading = null; // so that the next update retries
      reject(new Error("The chart library did not load."));
    };
    const script = html("script", { src: ADDRESS });
    script.addEventListener("load", () => (loaded() ? resolve(loaded()) : fail()));
    script.addEventListener("error", fail);
    document.head.append(script);
  });
}
