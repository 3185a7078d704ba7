// Figures to take home: a drawing by itself, as SVG or as a picture, and any file.

// What an exported drawing must carry itself, since it leaves the style sheet behind.
const CARRIED = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-opacity", "opacity", "font-family", "font-size", "font-weight", "text-anchor", "dominant-baseline", "visibility"];
const SHARPNESS = 2; // pixels of a saved picture for one on the screen

function toolButton(text, label, act) {
  return html("button", { type: "button", "aria-label": label, onclick: act }, text);
}

// An SVG with its own background and styles, as text; `finish` may add to the copy what is not SVG on the page.
function standalone(chart, finish) {
  const copy = chart.cloneNode(true);
  const originals = [chart, ...chart.querySelectorAll("*")];
  const copies = [copy, ...copy.querySelectorAll("*")];
  originals.forEach((node, i) => {
    const style = getComputedStyle(node);
    for (const property of CARRIED) copies[i].style.setProperty(property, style.getPropertyValue(property));
  });
  finish?.(copy);
  copy.prepend(svg("rect", { width: "100%", height: "100%", fill: readTheme(chart).background }));
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.prepend(svg("title", {}, chart.getAttribute("aria-label") ?? ""));
  return new XMLSerializer().serializeToString(copy);
}

function saveDrawing(name, text) {
  saveFile(name, "svg", new Blob([text], { type: "image/svg+xml" }));
}

async function savePicture(name, text, { width, height }) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await image.decode();
  const canvas = html("canvas", { width: SHARPNESS * width, height: SHARPNESS * height });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => saveFile(name, "png", blob));
}

function saveFile(name, kind, blob) {
  const address = URL.createObjectURL(blob);
  html("a", { href: address, download: `distillery-${name}.${kind}` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
