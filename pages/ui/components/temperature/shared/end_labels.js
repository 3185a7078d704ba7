// Words on a plot: at the ends of its lines, and on the drawing itself.

// Heights as near as can be to those wanted, but each `gap` from the next and all between low and high.
function spread(wanted, gap, low, high) {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a] - wanted[b]);
  const placed = [...wanted];
  order.forEach((i, at) => (placed[i] = Math.max(placed[i], at ? placed[order[at - 1]] + gap : low)));
  order.reverse().forEach((i, at) => (placed[i] = Math.min(placed[i], at ? placed[order[at - 1]] - gap : high)));
  return placed;
}

// Names beside the ends of lines; ends: [{id, value, glyph, words: [one or two lines], colour}], all at the same x.
function nameEnds(plot, x, ends) {
  const { y, height } = plot.box;
  const tall = Math.max(...ends.map(({ words }) => words.length)) > 1;
  const heights = spread(ends.map(({ value }) => plot.y(value)), tall ? 34 : 19, y + 6, y + height - (tall ? 12 : 2));
  ends.forEach(({ id, value, glyph, words, colour }, at) => {
    const dy = heights[at] - plot.y(value);
    plot.text(`end ${id}`, x, value, `${glyph} ${words[0]}`, { dx: 9, dy, colour });
    if (words[1]) plot.text(`end of ${id}`, x, value, words[1], { dx: 25, dy: dy + 15, colour });
  });
}

// Words that stand out from the lines below them, in an exported drawing, too.
function inscribe(plot, theme, id, x, y, words, more) {
  plot.text(id, x, y, words, more);
  attributes(plot.parts.get(id), { stroke: theme.background, "stroke-width": 3, "stroke-linejoin": "round", "paint-order": "stroke" });
}
