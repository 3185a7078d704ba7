// Layout of a plan as a list of networks, for narrow screens.

import { last, lookUp } from "../shared/math/collections.js";
import { wrapText } from "../shared/text.js";
import { arrowHead, boxText, centreY, ROW_HEIGHT, roundedPath } from "./plan_layout.js";

/** @typedef {import("./plan_layout.js").Box} Box */
/** @typedef {import("./plan_layout.js").Edge} Edge */
/** @typedef {import("./plan_layout.js").Line} Line */
/** @typedef {{edge: Edge, ids: string[], heads: Set<string>, from: Set<string>, lane: number}} LaneLine */

const MAX_WIDTH = 520;

/**
 * @param {import("./plan_layout.js").Plan} plan
 * @param {number} available width
 * @param {import("./plan_layout.js").Style} style
 * @returns {import("./plan_layout.js").Layout}
 */
export function listLayout(plan, available, style) {
  const { columns, edges } = plan;
  const order = columns.flatMap(({ nodes }) => nodes.map(({ id }) => id));
  const position = new Map(order.map((id, i) => [id, i]));
  const taught = assignLanes(
    edges.filter(({ kind }) => kind === "teaches"),
    position,
  );
  const others = assignLanes(
    edges.filter(({ kind }) => kind !== "teaches"),
    position,
  );
  const left = others.count ? 8 + 12 * others.count : 2;
  const right = taught.count ? 10 + 13 * taught.count : 2;
  const width = Math.min(available, MAX_WIDTH);
  const boxWidth = width - left - right;
  /** @type {Map<string, Box>} */
  const boxes = new Map();
  const headings = [];
  let y = 4;
  for (const { title, note, nodes } of columns) {
    const lines = note ? wrapText(note, style.font(12), width - 8, 2) : [];
    if (title || note) {
      headings.push({ x: left, y: y + 12, anchor: "start", title, lines });
      y += (title ? 20 : 2) + ROW_HEIGHT * lines.length + 4;
    }
    for (const node of nodes) {
      const text = boxText(node, boxWidth - 24, style, true);
      boxes.set(node.id, { node, x: left, y, width: boxWidth, anchor: "start", ...text });
      y += text.height + 12;
    }
    y += 8;
  }
  const lines = [
    ...taught.lines.flatMap((line) => laneLines(line, boxes, style, true)),
    ...others.lines.flatMap((line) => laneLines(line, boxes, style, false)),
  ];
  return { width, height: y, headings, boxes: [...boxes.values()], lines, labels: [] };
}

/**
 * Return the lines of one lane, to the right or to the left of the boxes.
 * @param {LaneLine} line
 * @param {Map<string, Box>} boxes
 * @param {import("./plan_layout.js").Style} style
 * @param {boolean} isRight
 * @returns {Line[]}
 */
function laneLines(
  {
    lane,
    edge: {
      kind,
      from: [first],
    },
    ids,
    heads,
    from,
  },
  boxes,
  style,
  isRight,
) {
  const edgeOf = (/** @type {string} */ id) => {
    const { x, width } = lookUp(boxes, id);
    return isRight ? x + width : x;
  };
  const x = isRight ? edgeOf(ids[0]) + 12 + 13 * lane : edgeOf(ids[0]) - 10 - 12 * lane;
  const shift = isRight ? 5 * lane : 10 - 5 * lane;
  const ys = ids.map((id) => centreY(lookUp(boxes, id)) + shift);
  const isShared = kind === "teaches" && from.size > 1;
  const single = kind === "teaches" ? style.colour(lookUp(boxes, first).node) : "";
  const colour = isShared ? style.neutral : single;
  if (ids.length === 1) {
    const points = [
      [edgeOf(ids[0]), ys[0] + 12],
      [x, ys[0] + 12],
      [x, ys[0] - 12],
      [edgeOf(ids[0]) + 2, ys[0] - 12],
    ];
    return [{ kind, d: roundedPath(points, 6), colour, ends: [arrowHead(points)] }];
  }
  const trunk = `M${x} ${Math.min(...ys) + 8}V${Math.max(...ys) - 8}`;
  const branches = ids.map((id, i) => {
    const points = [
      [x, ys[i] + (i === 0 ? 9 : -9)],
      [x, ys[i]],
      [edgeOf(id) + (isRight ? 2 : -2), ys[i]],
    ];
    const branchColour = isShared && from.has(id) ? style.colour(lookUp(boxes, id).node) : colour;
    const ends = heads.has(id) && kind !== "shares" ? [arrowHead(points)] : [];
    return { kind, d: roundedPath(points, 6), colour: branchColour, ends };
  });
  return [{ kind, d: trunk, colour, ends: [] }, ...branches];
}

/**
 * Assign lines that would overlap to different lanes. Edges between the same networks are drawn as one line.
 * @param {Edge[]} edges
 * @param {Map<string, number>} position of the networks in the list
 */
export function assignLanes(edges, position) {
  /** @type {LaneLine[]} */
  const lines = [];
  const sorted = (/** @type {string[]} */ ids) =>
    [...new Set(ids)].sort((a, b) => lookUp(position, a) - lookUp(position, b));
  for (const edge of edges) {
    const ids = sorted([...edge.from, edge.to]);
    const isSame = (/** @type {LaneLine} */ line) =>
      line.edge.kind === edge.kind && (line.ids.join() === ids.join() || line.edge.from.join() === edge.from.join());
    const same = lines.find(isSame);
    if (same) {
      same.heads.add(edge.to);
      for (const id of edge.from) same.from.add(id);
      same.ids = sorted([...same.ids, ...ids]);
    } else lines.push({ edge, ids, heads: new Set([edge.to]), from: new Set(edge.from), lane: 0 });
  }
  /** The last position of each lane. @type {number[]} */
  const ends = [];
  for (const line of lines.sort((a, b) => lookUp(position, a.ids[0]) - lookUp(position, b.ids[0]))) {
    const start = lookUp(position, line.ids[0]);
    const free = ends.findIndex((end) => end < start);
    line.lane = free < 0 ? ends.length : free;
    ends[line.lane] = lookUp(position, last(line.ids));
  }
  return { lines, count: ends.length };
}
