// The script that Streamlit sends with every update of a component: it imports the component's module once per browser
// page and passes every update on. MODULE, the address of the module below the app, is put before this file.

// Streamlit's own scripts tell where the server is mounted, also behind a proxy with a path of its own.
const script = document.querySelector('script[src*="static/js/"]');
const base = script ? script.src.slice(0, script.src.lastIndexOf("static/js/")) : document.baseURI;

export default async function (component) {
  const module = await import(new URL(MODULE, base).href);
  return module.default(component);
}
