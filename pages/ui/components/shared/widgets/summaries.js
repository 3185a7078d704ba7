// Distributions in words and in single numbers.

// Every network's top class and how sure it is, for a text alternative. now: {role: log-probabilities}.
function inOneBreath(now, classes) {
  return Object.entries(now)
    .map(([role, logp]) => {
      const top = Math.max(...logp);
      return `${role}'s top class ${classes[logp.indexOf(top)]}, ${Math.round(100 * Math.exp(top))} percent`;
    })
    .join("; ");
}

// A number with its name and, if it belongs to a network, that network's marker.
const term = (name, value, { glyph, colour } = {}) =>
  html("span", { class: "dst-term" }, glyph ? html("i", { style: `color: ${colour}` }, glyph) : null, `${name} `, html("b", {}, value));

// One line of them; null where there are none.
const readout = (name, terms) => (terms.length ? html("p", {}, html("span", { class: "dst-soft" }, name), terms) : null);
