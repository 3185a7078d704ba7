// Class names in a narrow column.

// Names are measured in the weight of the labelled class, the widest they get.
function textWidth(text, font) {
  pencil.font = `600 14px ${font}`;
  return pencil.measureText(text).width;
}

// A name on one line if it fits, on two where it can be broken, shortened as a last resort.
function lines(name, room, font) {
  const fits = (text) => textWidth(text, font) <= room;
  if (fits(name)) return [name];
  const words = name.split(" ");
  const breaks = words.slice(1).map((_, i) => [words.slice(0, i + 1).join(" "), words.slice(i + 1).join(" ")]);
  const pair = breaks.sort((a, b) => Math.max(a[0].length, a[1].length) - Math.max(b[0].length, b[1].length))[0] ?? [name];
  return pair.map((line) => shortened(line, fits));
}

// As much of a name as fits.
function shortened(name, fits) {
  let short = name;
  while (short.length > 1 && !fits(short === name ? name : `${short}…`)) short = short.slice(0, -1);
  return short === name ? name : `${short}…`;
}
