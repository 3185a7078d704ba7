// Script that Streamlit sends with every update of a component. It imports the component's module, which the browser
// loads once per page, and passes the update on, whose data come in a list. __init__.py prepends FOLDER (the address of
// the components below the app) and FILES (the module, then its dependencies), and leaves out these comments.

const script = document.querySelector('script[src*="static/js/"]');
// The address of Streamlit's scripts contains the base path of the server, also behind a proxy.
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
  return module.default({ ...component, data: component.data[0] });
}
