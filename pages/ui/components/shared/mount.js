// What every component shares: elements, theme, numbers and the mounting protocol.
// PALETTE and STYLES (consts) stand before this file: __init__.py writes them from palette.py and the .css files.

// One object per browser page: counters for tests, Plotly's promise, and the moment buses of moments.js.
const distillery = (window.__distillery ??= { redraws: 0, drawn: {}, buses: new Map(), zooms: new Map(), plotly: null });

// --- elements -------------------------------------------------------------------------------------------------------

// Strings become text nodes, so the text of users is never parsed as HTML.
function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child != null));
  return node;
}
const html = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

function attributes(node, values) {
  for (const [name, value] of Object.entries(values)) node.setAttribute(name, value);
}

// Writing only what changed keeps the browser from laying out, and a screen reader from reading, the same text again.
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// --- theme ----------------------------------------------------------------------------------------------------------

// Streamlit calls a component again when the theme changes, so reading at each update is enough to follow it.
function readTheme(node) {
  const style = getComputedStyle(node);
  const background = style.getPropertyValue("--st-background-color").trim() || "#ffffff";
  const ink = style.getPropertyValue("--st-text-color").trim() || "#31333f";
  const [red, green, blue] = rgb(background);
  const dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 128;
  const mode = dark ? "dark" : "light";
  const toward = rgb(ink);
  const mixed = (share) => `rgb(${[red, green, blue].map((from, i) => Math.round(from + share * (toward[i] - from))).join(", ")})`;
  return {
    dark,
    background,
    ink,
    // The same shares as --soft and --rule in common.css, for what cannot read CSS.
    soft: mixed(0.7),
    rule: mixed(0.13),
    font: style.fontFamily,
    role(name) {
      const role = PALETTE.roles[name] ?? PALETTE.roles.labels;
      return { ...role, colour: role[mode] };
    },
    // A ninth class has no colour of its own: grey, and its name must tell it apart.
    classColour: (index) => PALETTE.classes[mode][index] ?? (dark ? "#b3b3b3" : "#6b6b6b"),
  };
}

// A canvas that is never shown: it parses any CSS colour, and measures text.
const pencil = document.createElement("canvas").getContext("2d");
function rgb(colour) {
  pencil.fillStyle = "#ffffff";
  pencil.fillStyle = colour;
  const text = pencil.fillStyle;
  if (text.startsWith("#")) return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
  return text.match(/[\d.]+/g).slice(0, 3).map(Number);
}

const reducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// --- numbers --------------------------------------------------------------------------------------------------------

const SUPERSCRIPTS = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
const raise = (exponent) => [...String(exponent)].map((digit) => SUPERSCRIPTS[digit]).join("");

// Three significant digits: 0.0312, 83.2, 1,230, 4.1×10⁻⁶.
function digits(value) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 999.5) return Math.round(value).toLocaleString("en");
  if (size >= 1e-3) return value.toPrecision(3);
  const [mantissa, exponent] = value.toExponential(1).split("e");
  return `${mantissa}×10${raise(Number(exponent))}`;
}
const percent = (share) => (share === 1 ? "100 %" : share >= 0.9995 ? "> 99.9 %" : `${(100 * share).toFixed(1)} %`);

// --- distributions (float64; logits in, probabilities and nats out) -------------------------------------------------

function logSoftmax(logits, temperature = 1) {
  const scaled = logits.map((logit) => logit / temperature);
  const top = Math.max(...scaled);
  const normaliser = top + Math.log(scaled.reduce((sum, value) => sum + Math.exp(value - top), 0));
  return scaled.map((value) => value - normaliser);
}
const softmax = (logits, temperature = 1) => logSoftmax(logits, temperature).map(Math.exp);
const entropy = (logp) => logp.reduce((sum, value) => sum - (value === -Infinity ? 0 : Math.exp(value) * value), 0);
// KL(p ‖ q) from log-probabilities, so that a probability of 1e-300 is still exact.
const divergence = (logp, logq) => logp.reduce((sum, value, i) => sum + Math.exp(value) * (value - logq[i]), 0);

// --- mounting -------------------------------------------------------------------------------------------------------

// An error becomes a sentence on the screen and its traceback stays in the browser's console.
function spared(root, act) {
  try {
    return act();
  } catch (error) {
    console.error(error);
    root.append(html("p", { class: "dst-empty", role: "alert" }, "This figure could not be drawn. Reload the page to try again; nothing of yours is lost."));
    return null;
  }
}

// Streamlit calls the default export at every update with the same parentElement. A view is built once per element.
// The clean-up of an update that a newer one overtook arrives although the element is still mounted: it is ignored.
function mounting(View) {
  const views = new WeakMap();
  return function ({ parentElement, data, setStateValue, setTriggerValue }) {
    let entry = views.get(parentElement);
    if (!entry) {
      const root = html("div", { class: "dst" });
      const style = html("style", {}, STYLES);
      parentElement.append(style, root);
      const view = spared(root, () => new View(root));
      if (!view) return undefined;
      entry = { root, style, serial: 0, view };
      views.set(parentElement, entry);
    }
    const serial = ++entry.serial;
    Object.assign(PALETTE.roles, data?.looks); // networks beyond the usual three bring their look
    spared(entry.root, () => entry.view.update(data ?? {}, { setStateValue, setTriggerValue }));
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

// Calls draw at most once per frame of the screen, however often it is asked; counts for the tests, by name if there is one.
function redrawing(draw, name = "") {
  let pending = 0;
  const ask = () => {
    pending ||= requestAnimationFrame(() => {
      pending = 0;
      distillery.redraws += 1;
      distillery.drawn[name] = (distillery.drawn[name] ?? 0) + 1;
      draw();
    });
  };
  ask.cancel = () => {
    cancelAnimationFrame(pending);
    pending = 0;
  };
  return ask;
}

// Reports the width of a node whenever it changes; returns a function that stops.
function watchWidth(node, report) {
  let last = 0;
  const observer = new ResizeObserver(([entry]) => {
    const width = Math.floor(entry.contentRect.width);
    if (width > 0 && width !== last) report((last = width));
  });
  observer.observe(node);
  return () => observer.disconnect();
}
