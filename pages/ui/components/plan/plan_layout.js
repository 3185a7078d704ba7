// Where the networks of an arrangement stand and how the lines between them run: columns where there is room for them,
// one below the other where there is not. Both give {width, height, headings, boxes, lines, labels}.

const NODE = { least: 118, most: 186 };
const ROW = 15; // of text
const BELOW = 18; // between two boxes
const BUS = 26; // from a box to the line beside it
const SAID = 104; // width of what is written beside such a line

// The text of a box: its name, then what it is, sees and, where no line says it, who teaches it.
function worded(node, width, font, glyph, isList) {
  const title = wrapped(`${glyph ? `${glyph}\u00a0` : ""}${node.role.replaceAll(" ", "\u00a0")}`, font(13, 600), width, 2);
  const state = node.network && node.state ? `${node.network} · ${node.state}` : node.network || node.state;
  const fits = measure(state, font(12)) <= width;
  const about = fits ? [state] : [node.network, node.state];
  const by = isList ? node.taught && `from ${node.taught}` : node.own && node.taught.replace(/^.*through /, "");
  const rest = [...about, node.stack, node.sees, by].filter(Boolean).flatMap((text) => wrapped(joined(text), font(12), width, 3));
  return { title, rest, height: 14 + ROW * (title.length + rest.length) };
}

// A line through points, its corners rounded.
function course(points, radius = 8) {
  const near = (from, to) => {
    const far = Math.hypot(to[0] - from[0], to[1] - from[1]) || 1;
    const share = Math.min(radius, far / 2) / far;
    return [from[0] + share * (to[0] - from[0]), from[1] + share * (to[1] - from[1])];
  };
  const corners = points.slice(1, -1).map((point, i) => `L${near(point, points[i])}Q${point} ${near(point, points[i + 2])}`);
  return `M${points[0]}${corners.join("")}L${points.at(-1)}`;
}

const endOf = (points) => ({ x: points.at(-1)[0], y: points.at(-1)[1], back: points.at(-1)[0] < points.at(-2)[0] });

// --- columns --------------------------------------------------------------------------------------------------------

function inColumns(facts, room, look) {
  const { columns, edges } = facts;
  const at = new Map(columns.flatMap(({ nodes }, column) => nodes.map((node) => [node.id, column])));
  const isBase = (column) => columns[column].nodes.every(({ lane }) => lane === "base");
  const hasBus = (column) => edges.some(({ kind, from, to }) => kind === "teaches" && at.get(to) === column && at.get(from[0]) === column);
  const isSaid = (column) => edges.some(({ kind, from, to }) => (kind === "teaches" || kind === "goes on") && at.get(to) === column && at.get(from[0]) < column);
  const last = columns.length - 1;
  const gaps = columns.map((_, i) => (hasBus(i) ? BUS + 12 + SAID : 0) + (i === last ? 0 : isBase(i) ? 34 : isSaid(i + 1) ? 112 : 52));
  const isBelow = (id) => columns[at.get(id)].nodes.some((node) => node.id === id && node.lane === "made");
  const left = edges.some(({ kind, to, from }) => kind === "made of" && isBelow(to) && from.some((id) => at.get(id) === 0)) ? 24 : 4;
  const bases = columns.filter((_, i) => isBase(i)).length;
  const fixed = left + 4 + 88 * bases + gaps.reduce((sum, gap) => sum + gap, 0);
  const wide = Math.min(NODE.most, (room - fixed) / (columns.length - bases));
  if (wide < NODE.least) return null;

  const boxes = new Map();
  let x = left;
  columns.forEach(({ nodes }, column) => {
    const width = isBase(column) ? 88 : wide;
    for (const node of nodes) boxes.set(node.id, { node, column, x, width, ...worded(node, width - 14, look.font, look.glyph(node), false) });
    x += width + gaps[column];
  });
  const width = x + 4;
  const of = (column, lane) => columns[column].nodes.filter((node) => node.lane === lane).map(({ id }) => boxes.get(id));
  const heights = (own) => own.reduce((sum, { height }) => sum + height + BELOW, -BELOW);
  const block = (lane) => Math.max(0, ...columns.map((_, column) => heights(of(column, lane))));

  const headings = columns.map(({ title, note }, column) => {
    const box = boxes.get(columns[column].nodes[0].id);
    const center = box.x + box.width / 2;
    const across = Math.min(box.width + (isBase(column) ? 0 : 34), 2 * center, 2 * (width - center));
    return { x: center, y: 16, anchor: "middle", title, lines: note ? wrapped(note, look.font(12), across, 3) : [] };
  });
  const top = 34 + ROW * Math.max(...headings.map(({ lines }) => lines.length));
  const main = Math.max(block("main"), 60);
  const lanes = { main: top, made: top + main + BELOW, baseline: 0 };
  lanes.baseline = lanes.made + (block("made") ? block("made") + BELOW : 0);
  columns.forEach((_, column) => {
    for (const lane of ["main", "made", "baseline"]) {
      const own = of(column, lane);
      let y = lanes[lane] + ((lane === "main" ? main : block(lane)) - heights(own)) / 2;
      for (const box of own) {
        box.y = y;
        y += box.height + BELOW;
      }
    }
  });
  for (const box of columns.flatMap((_, column) => of(column, "base"))) { // beside who goes on from it first
    const next = boxes.get(edges.find(({ kind, from }) => kind === "shares" && from[0] === box.node.id).to);
    box.y = next.y + (next.height - box.height) / 2;
  }
  const bottom = Math.max(...[...boxes.values()].map(({ y, height }) => y + height));
  const drawn = between(facts, boxes, look, gaps);
  return { width, height: bottom + 4, headings, boxes: [...boxes.values()], ...drawn };
}

const rightOf = ({ node, x, width }) => x + width + (node.stack ? 8 : 0); // a stack has more behind it
const middle = ({ y, height }) => y + height / 2;

// The lines of the columns' layout.
function between({ edges }, boxes, look, gaps) {
  const lines = [];
  const labels = [];
  const beside = new Map(); // what is taught within a column, by column and method
  for (const edge of edges) {
    const to = boxes.get(edge.to);
    const from = edge.from.map((id) => boxes.get(id));
    if (edge.kind === "shares") lines.push({ kind: "shares", d: course(shared(from[0], to)), ends: [] });
    else if (edge.kind === "made of") lines.push(...made(from, to));
    else if (from[0].column === to.column) {
      const key = `${to.column} ${edge.said}`;
      const bus = beside.get(key) ?? { said: edge.said, from: new Set(), to: new Set(), colour: look.colour(from[0].node) };
      from.forEach((box) => bus.from.add(box));
      bus.to.add(to);
      beside.set(key, bus);
    } else {
      const others = edges.filter((other) => other !== edge && other.to === edge.to && ["teaches", "goes on"].includes(other.kind));
      const shift = others.some(({ from: [id] }) => boxes.get(id).column !== to.column) ? (edge.kind === "teaches" ? -12 : 14) : 0;
      const gap = to.x - Math.max(...from.map(rightOf));
      const isShared = edge.kind === "teaches" && from.length > 1; // a trunk of no colour, with a branch from each
      const turning = to.x - gap + Math.min(20, gap / 4);
      let isStraight = true;
      if (isShared) {
        const y = middle(to) + shift;
        const ys = [y, ...from.map((box) => middle(box) + shift)];
        lines.push({ kind: edge.kind, d: `M${turning} ${Math.min(...ys) + 8}V${Math.max(...ys) - 8}`, colour: look.neutral, ends: [] });
        lines.push({ kind: edge.kind, d: `M${turning} ${y}H${to.x - 2}`, colour: look.neutral, ends: [{ x: to.x - 2, y, back: false }] });
      }
      for (const box of from) {
        const start = [rightOf(box), middle(box) + shift];
        const end = [to.x - 2, middle(to) + shift];
        isStraight &&= Math.abs(start[1] - end[1]) < 1;
        const isLevel = Math.abs(start[1] - end[1]) < 1;
        const colour = edge.kind === "teaches" ? look.colour(box.node) : "";
        if (isShared) {
          const points = [start, [turning, start[1]], ...(isLevel ? [] : [[turning, start[1] + 10 * Math.sign(end[1] - start[1])]])];
          lines.push({ kind: edge.kind, d: course(points), colour, ends: [] });
        } else {
          const points = isLevel ? [start, end] : [start, [turning, start[1]], [turning, end[1]], end];
          lines.push({ kind: edge.kind, d: course(points), colour, ends: [endOf(points)] });
        }
      }
      const first = isStraight && from.length === 1 ? to.x - gap : turning;
      const said = wrapped(edge.said, look.font(12), to.x - first - 14, 4);
      const y = middle(to) + shift + (edge.kind === "teaches" ? -7 - 14 * (said.length - 1) : 16);
      labels.push({ x: (first + to.x - 6) / 2, y, anchor: "middle", lines: said });
    }
  }
  for (const bus of beside.values()) {
    const both = [...new Set([...bus.from, ...bus.to])].sort((one, other) => one.y - other.y);
    const right = both[0].x + both[0].width;
    const x = right + BUS;
    const isOwn = both.length === 1;
    const ys = isOwn ? [middle(both[0]) - 14, middle(both[0]) + 14] : both.map(middle);
    if (isOwn) {
      const points = [[right, ys[1]], [x, ys[1]], [x, ys[0]], [right + 2, ys[0]]];
      lines.push({ kind: "teaches", d: course(points), colour: bus.colour, ends: [endOf(points)] });
    } else {
      const isShared = bus.from.size > 1;
      lines.push({ kind: "teaches", d: `M${x} ${ys[0] + 12}V${ys.at(-1) - 12}`, colour: isShared ? look.neutral : bus.colour, ends: [] });
      both.forEach((box, i) => {
        const toward = i === 0 ? 12 : -12;
        const points = [[x, ys[i] + toward], [x, ys[i]], [rightOf(box) + 2, ys[i]]];
        const colour = !isShared ? bus.colour : bus.from.has(box) ? look.colour(box.node) : look.neutral;
        lines.push({ kind: "teaches", d: course(points), colour, ends: bus.to.has(box) ? [endOf(points)] : [] });
      });
    }
    const said = wrapped(bus.said, look.font(12), SAID, 4);
    labels.push({ x: x + 9, y: (ys[0] + ys.at(-1)) / 2 + 4 - (14 * (said.length - 1)) / 2, anchor: "start", lines: said });
  }
  return { lines, labels };
}

// From shared layers to the next ones, or to who goes on from them.
function shared(from, to) {
  if (from.column === to.column) return [[from.x + from.width / 2, from.y + from.height], [from.x + from.width / 2, to.y]];
  if (Math.abs(middle(from) - middle(to)) < 1) return [[from.x + from.width, middle(from)], [to.x, middle(to)]];
  const x = from.x + from.width / 2;
  return [[x, to.y > from.y ? from.y + from.height : from.y], [x, middle(to)], [to.x, middle(to)]];
}

// From the members to what is made of them: along the left edge of their column, or from the column before.
function made(from, to) {
  const end = [to.x - 2, middle(to)];
  return from.map((box) => {
    const isBefore = box.column < to.column && to.node.lane === "main";
    const y = isBefore ? middle(box) : box.y + 0.72 * box.height;
    const turn = isBefore ? (box.x + box.width + to.x) / 2 : box.x - 16;
    const points = [[isBefore ? box.x + box.width : box.x, y], [turn, y], [turn, end[1]], end];
    return { kind: "made of", d: course(Math.abs(y - end[1]) < 1 ? [points[0], end] : points), ends: [endOf(points)] };
  });
}

// --- one below the other --------------------------------------------------------------------------------------------

function inList(facts, room, look) {
  const { columns, edges } = facts;
  const order = columns.flatMap(({ nodes }) => nodes.map(({ id }) => id));
  const place = new Map(order.map((id, i) => [id, i]));
  const taught = lanesOf(edges.filter(({ kind }) => kind === "teaches"), place);
  const others = lanesOf(edges.filter(({ kind }) => kind !== "teaches"), place);
  const left = others.count ? 8 + 12 * others.count : 2;
  const right = taught.count ? 10 + 13 * taught.count : 2;
  const width = Math.min(room, 520);
  const wide = width - left - right;
  const boxes = new Map();
  const headings = [];
  let y = 4;
  for (const { title, note, nodes } of columns) {
    const lines = note ? wrapped(note, look.font(12), width - 8, 2) : [];
    if (title || note) {
      headings.push({ x: left, y: y + 12, anchor: "start", title, lines });
      y += (title ? 20 : 2) + ROW * lines.length + 4;
    }
    for (const node of nodes) {
      const text = worded(node, wide - 24, look.font, look.glyph(node), true);
      boxes.set(node.id, { node, x: left, y, width: wide, anchor: "start", ...text });
      y += text.height + 12;
    }
    y += 8;
  }
  const lines = [];
  const draw = ({ lane, edge, ids, heads, from }, isRight) => {
    const edgeOf = (id) => (isRight ? boxes.get(id).x + boxes.get(id).width : boxes.get(id).x);
    const x = isRight ? edgeOf(ids[0]) + 12 + 13 * lane : edgeOf(ids[0]) - 10 - 12 * lane;
    const shift = 5 * lane;
    const ys = ids.map((id) => middle(boxes.get(id)) + (isRight ? shift : 10 - shift));
    const teaches = edge.kind === "teaches";
    const isShared = teaches && from.size > 1;
    const colour = isShared ? look.neutral : teaches ? look.colour(boxes.get(edge.from[0]).node) : "";
    if (ids.length === 1) {
      const points = [[edgeOf(ids[0]), ys[0] + 12], [x, ys[0] + 12], [x, ys[0] - 12], [edgeOf(ids[0]) + 2, ys[0] - 12]];
      lines.push({ kind: edge.kind, d: course(points, 6), colour, ends: [endOf(points)] });
      return;
    }
    lines.push({ kind: edge.kind, d: `M${x} ${Math.min(...ys) + 8}V${Math.max(...ys) - 8}`, colour, ends: [] });
    ids.forEach((id, i) => {
      const points = [[x, ys[i] + (i === 0 ? 9 : -9)], [x, ys[i]], [edgeOf(id) + (isRight ? 2 : -2), ys[i]]];
      const own = isShared && from.has(id) ? look.colour(boxes.get(id).node) : colour;
      lines.push({ kind: edge.kind, d: course(points, 6), colour: own, ends: heads.has(id) && edge.kind !== "shares" ? [endOf(points)] : [] });
    });
  };
  for (const line of taught.lines) draw(line, true);
  for (const line of others.lines) draw(line, false);
  return { width, height: y, headings, boxes: [...boxes.values()], lines, labels: [] };
}

// Lines of the same networks are one line; lines that would overlap run beside each other.
function lanesOf(edges, place) {
  const lines = [];
  for (const edge of edges) {
    const ids = [...new Set([...edge.from, edge.to])].sort((one, other) => place.get(one) - place.get(other));
    const isPeer = (line) => line.edge.kind === edge.kind && (line.ids.join() === ids.join() || line.edge.from.join() === edge.from.join());
    const same = lines.find(isPeer);
    if (same) {
      same.heads.add(edge.to);
      edge.from.forEach((id) => same.from.add(id));
      same.ids = [...new Set([...same.ids, ...ids])].sort((one, other) => place.get(one) - place.get(other));
    } else lines.push({ edge, ids, heads: new Set([edge.to]), from: new Set(edge.from) });
  }
  const busy = []; // the last place of each lane
  for (const line of lines.sort((one, other) => place.get(one.ids[0]) - place.get(other.ids[0]))) {
    const start = place.get(line.ids[0]);
    const free = busy.findIndex((end) => end < start);
    line.lane = free < 0 ? busy.length : free;
    busy[line.lane] = place.get(line.ids.at(-1));
  }
  return { lines, count: busy.length };
}
