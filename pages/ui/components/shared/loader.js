// The script that Streamlit sends with every update of a component: it imports the component's module once per browser
// page and passes every update on. FOLDER (the address of the components below the app) and FILES (the module, then all
// that it needs) are put before this file, and these comments are left out.

const script = document.querySelector('script[src*="static/js/"]');
// Streamlit's own scripts tell where the server is mounted, also behind a proxy with a path of its own.
const base = script ? script.src.slice(0, script.src.lastIndexOf("static/js/")) : document.baseURI;
const addresses = FILES.map((file) => new URL(FOLDER + file, base).href);

export default async function (component) {
  for (const href of addresses) {
    if (document.head.querySelector(`link[href="${href}"]`)) continue;
    const style = href.endsWith(".css")
      ? { rel: "preload", as: "fetch", crossOrigin: "anonymous" }
      : { rel: "modulepreload" };
    document.head.append(Object.assign(document.createElement("link"), style, { href }));
  }
  const module = await import(addresses[0]);
  return module.default(component);
}
