// Text in lines of a given width: SVG does not break lines by itself.

function measure(text, font) {
  pencil.font = font;
  return pencil.measureText(text).width;
}

// Sizes and arrows stay on one line: 3 × 3, 8 → 16.
const joined = (text) => text.replace(/ ([×→]) /g, "\u00a0$1\u00a0");

// At most so many lines; what does not fit ends in an ellipsis.
function wrapped(text, font, width, most) {
  const lines = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line ? `${line} ${word}` : word;
    if (line && measure(longer, font) > width) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  lines.push(line);
  const kept = lines.slice(0, most);
  if (lines.length > most) kept[most - 1] += " …";
  return kept.map((one) => cut(one, font, width));
}

function cut(text, font, width) {
  if (measure(text, font) <= width) return text;
  let shorter = text.replace(/ …$/, "");
  while (shorter && measure(`${shorter}…`, font) > width) shorter = shorter.slice(0, -1).trimEnd();
  return `${shorter}…`;
}
