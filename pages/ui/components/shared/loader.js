// Stands in for a published component: fetches its module once per browser page and hands every update on.
// ADDRESS (a const) stands before this file. Streamlit's own scripts tell where the server is mounted.
const script = document.querySelector('script[src*="static/js/"]');
const mounted = script ? script.src.slice(0, script.src.lastIndexOf("static/js/")) : document.baseURI;

export default async function (component) {
  const module = await import(new URL(ADDRESS, mounted).href);
  return module.default(component);
}
