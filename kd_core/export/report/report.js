// Bars of the softened outputs in a report. The page has the data as JSON in the element #data.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const SHOWN = 20; // classes at once; of more, the most probable ones
let chosen = 0;

/** Return the probabilities softmax(logits / T), or sigmoid(logits / T) where every class is a yes or no of its own. */
function soften(logits, temperature) {
  if (data.isEachAnAnswer) return logits.map((logit) => 1 / (1 + Math.exp(-logit / temperature)));
  const scaled = logits.map((logit) => logit / temperature);
  const highest = Math.max(...scaled);
  const powers = scaled.map((value) => Math.exp(value - highest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

function element(tag, name, ...children) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  node.append(...children);
  return node;
}

function draw() {
  const temperature = 2 ** Number(byId("temperature").value);
  const example = data.examples[chosen];
  const text = temperature.toFixed(2).replace(/\.?0+$/, "");
  byId("t").textContent = text;
  byId("temperature").setAttribute("aria-valuetext", `T = ${text}`);
  const softened = data.networks.map(({ logits }) => soften(logits[chosen], temperature));
  const highest = (k) => Math.max(...softened.map((values) => values[k]));
  let classes = data.classes.map((_, k) => k);
  if (classes.length > SHOWN) {
    classes = classes.sort((a, b) => highest(b) - highest(a)).slice(0, SHOWN);
    const missing = example.labels.filter((label) => !classes.includes(label)).slice(0, SHOWN);
    missing.forEach((label, i) => {
      classes[SHOWN - 1 - i] = label;
    });
  }
  const rows = classes.map((k) => {
    const bars = data.networks.map(({ title, glyph, kind, index }, n) => {
      const length = element("i");
      length.style.width = `${85 * softened[n][k]}%`;
      const bar = element("div", `bar ${kind} network-${index}`, length, `${glyph} ${softened[n][k].toFixed(3)}`);
      bar.title = title;
      return bar;
    });
    const isTrue = example.labels.includes(k);
    return element("div", isTrue ? "class true" : "class", element("b", "", `${isTrue ? "✓ " : ""}${data.classes[k]}`), element("div", "", ...bars));
  });
  byId("bars").replaceChildren(...rows);
  const tops = data.networks.map(({ title }, n) => {
    const p = Math.max(...softened[n]);
    const all = data.isEachAnAnswer ? softened[n].flatMap((p) => [p, 1 - p]) : softened[n];
    const entropy = -all.reduce((sum, value) => sum + (value > 0 ? value * Math.log(value) : 0), 0);
    return `${title}: ${data.classes[softened[n].indexOf(p)]} with ${p.toFixed(3)}, entropy ${entropy.toFixed(2)} nats`;
  });
  byId("summary").textContent = `At T = ${text}. ${tops.join("; ")}.`;
  byId("example").textContent = example.title;
  byId("picture").hidden = !example.src;
  if (example.src) byId("picture").src = example.src;
  [...byId("examples").children].forEach((button, i) => button.setAttribute("aria-pressed", String(i === chosen)));
}

data.examples.forEach(({ src, title }, i) => {
  const button = element("button", "", src ? Object.assign(document.createElement("img"), { src, alt: "" }) : String(i + 1));
  button.type = "button";
  button.setAttribute("aria-label", title);
  button.addEventListener("click", () => {
    chosen = i;
    draw();
  });
  byId("examples").append(button);
});
byId("temperature").addEventListener("input", draw);
draw();
