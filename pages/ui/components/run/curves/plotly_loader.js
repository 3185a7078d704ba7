// Plotly, loaded once per browser page from this server.

// Streamlit's own scripts know where the server is mounted (server.baseUrlPath), whatever page the address names.
function addresses(path) {
  if (/^(https?:)?\//.test(path)) return [path];
  const script = document.querySelector('script[src*="static/js/"]');
  const mounted = script && script.src.slice(0, script.src.lastIndexOf("static/js/"));
  const bases = [mounted, document.baseURI, new URL("../", document.baseURI).href, location.origin + "/"];
  return [...new Set(bases.filter(Boolean).map((base) => new URL(path, base).href))];
}

function loadScript(address) {
  return new Promise((resolve, reject) => {
    const script = html("script", { src: address });
    script.addEventListener("load", () => (window.Plotly ? resolve(window.Plotly) : reject()));
    script.addEventListener("error", () => reject());
    document.head.append(script);
  });
}

async function firstOf(list) {
  for (const address of list) {
    try {
      return await loadScript(address);
    } catch {
      continue;
    }
  }
  distillery.plotly = null;
  throw new Error("The chart library did not load.");
}

function plotly(path) {
  distillery.plotly ??= window.Plotly ? Promise.resolve(window.Plotly) : firstOf(addresses(path));
  return distillery.plotly;
}
