// Layout of a plan in columns, one per phase.

import { last, lookUp } from "../shared/math/collections.js";
import { wrapText } from "../shared/text.js";
import { arrowHead, boxText, centreY, LABEL_ROW, ROW_HEIGHT, roundedPath } from "./plan_layout.js";

/** @typedef {import("./plan_layout.js").Box} Box */
/** @typedef {import("./plan_layout.js").Edge} Edge */
/** @typedef {import("./plan_layout.js").Label} Label */
/** @typedef {import("./plan_layout.js").Line} Line */
/** @typedef {import("./plan_layout.js").Plan} Plan */
/** @typedef {import("./plan_layout.js").Point} Point */
/** @typedef {import("./plan_layout.js").Style} Style */
/**
 * Lines beside a column with a common label.
 * @typedef {{label: string, from: Set<Box>, to: Set<Box>, colour: string}} Bracket
 */

const [MIN_WIDTH, MAX_WIDTH, BASE_WIDTH] = [118, 186, 88]; // of a box, and of one for shared layers
const BOX_GAP = 18; // between two boxes
const BRACKET_OFFSET = 26; // from a box to the line beside it
const LABEL_WIDTH = 104; // of the label of such a line

/**
 * Return the layout, or null if there is not enough room for columns.
 * @param {Plan} plan
 * @param {number} available width
 * @param {Style} style
 * @returns {import("./plan_layout.js").Layout | null}
 */
export function columnLayout(plan, available, style) {
  const { columns, edges } = plan;
  const columnOf = new Map(columns.flatMap(({ nodes }, column) => nodes.map((node) => [node.id, column])));
  const isBase = (/** @type {number} */ column) => columns[column].nodes.every(({ lane }) => lane === "base");
  const gaps = columns.map((_, column) => gapAfter(plan, column, columnOf, isBase));
  const isBelow = (/** @type {string} */ id) =>
    columns[lookUp(columnOf, id)].nodes.some((node) => node.id === id && node.lane === "made");
  const isOutside = (/** @type {Edge} */ { kind, to, from }) =>
    kind === "combines" && isBelow(to) && from.some((id) => lookUp(columnOf, id) === 0);
  const left = edges.some(isOutside) ? 24 : 4;
  const bases = columns.filter((_, i) => isBase(i)).length;
  const fixed = left + 4 + BASE_WIDTH * bases + gaps.reduce((sum, gap) => sum + gap, 0);
  const boxWidth = Math.min(MAX_WIDTH, (available - fixed) / (columns.length - bases));
  if (boxWidth < MIN_WIDTH) return null;

  /** @type {Map<string, Box>} */
  const boxes = new Map();
  let x = left;
  columns.forEach(({ nodes }, column) => {
    const width = isBase(column) ? BASE_WIDTH : boxWidth;
    for (const node of nodes)
      boxes.set(node.id, { node, column, x, y: 0, width, ...boxText(node, width - 14, style, false) });
    x += width + gaps[column];
  });
  const width = x + 4;

  const headings = columns.map(({ title, note, nodes }, column) => {
    const box = lookUp(boxes, nodes[0].id);
    const centre = box.x + box.width / 2;
    const room = Math.min(box.width + (isBase(column) ? 0 : 34), 2 * centre, 2 * (width - centre));
    return { x: centre, y: 16, anchor: "middle", title, lines: note ? wrapText(note, style.font(12), room, 3) : [] };
  });
  placeBoxes(plan, boxes, 34 + ROW_HEIGHT * Math.max(...headings.map(({ lines }) => lines.length)));
  const all = [...boxes.values()];
  const bottom = Math.max(...all.map(({ y, height }) => y + height));
  return { width, height: bottom + 4, headings, boxes: all, ...columnLines(plan, boxes, style) };
}

/**
 * Return the width of the gap after a column, which holds lines and labels.
 * @param {Plan} plan
 * @param {number} column
 * @param {Map<string, number>} columnOf
 * @param {(column: number) => boolean} isBase
 */
function gapAfter({ columns, edges }, column, columnOf, isBase) {
  const isWithin = (/** @type {Edge} */ { kind, from, to }) =>
    kind === "teaches" && lookUp(columnOf, to) === column && lookUp(columnOf, from[0]) === column;
  const isToNext = (/** @type {Edge} */ { kind, from, to }) =>
    (kind === "teaches" || kind === "continues") &&
    lookUp(columnOf, to) === column + 1 &&
    lookUp(columnOf, from[0]) <= column;
  const beside = edges.some(isWithin) ? BRACKET_OFFSET + 12 + LABEL_WIDTH : 0;
  if (column === columns.length - 1) return beside;
  if (isBase(column)) return beside + 34;
  return beside + (edges.some(isToNext) ? 112 : 52);
}

/**
 * Set the y of all boxes, with main networks at the top, derived networks below and baselines at the bottom.
 * @param {Plan} plan
 * @param {Map<string, Box>} boxes
 * @param {number} top
 */
function placeBoxes({ columns, edges }, boxes, top) {
  const inLane = (/** @type {number} */ column, /** @type {string} */ lane) =>
    columns[column].nodes.filter((node) => node.lane === lane).map(({ id }) => lookUp(boxes, id));
  const stackHeight = (/** @type {Box[]} */ group) =>
    group.reduce((sum, { height }) => sum + height + BOX_GAP, -BOX_GAP);
  const laneHeight = (/** @type {string} */ lane) =>
    Math.max(0, ...columns.map((_, column) => stackHeight(inLane(column, lane))));
  /** @type {Record<string, number>} */
  const heights = {
    main: Math.max(laneHeight("main"), 60),
    made: laneHeight("made"),
    baseline: laneHeight("baseline"),
  };
  const made = top + heights.main + BOX_GAP;
  const tops = { main: top, made, baseline: made + (heights.made ? heights.made + BOX_GAP : 0) };
  columns.forEach((_, column) => {
    for (const [lane, laneTop] of Object.entries(tops)) {
      const group = inLane(column, lane);
      let y = laneTop + (heights[lane] - stackHeight(group)) / 2;
      for (const box of group) {
        box.y = y;
        y += box.height + BOX_GAP;
      }
    }
  });
  // Shared layers are placed beside the first network that continues from them.
  for (const box of columns.flatMap((_, column) => inLane(column, "base"))) {
    const next = lookUp(
      boxes,
      /** @type {Edge} */ (edges.find(({ kind, from }) => kind === "shares" && from[0] === box.node.id)).to,
    );
    box.y = next.y + (next.height - box.height) / 2;
  }
}

/** @param {Box} box the outlines of a stack add 8 pixels */
const rightEdge = ({ node, x, width }) => x + width + (node.stack ? 8 : 0);

/**
 * Return the lines between the boxes and their labels.
 * @param {Plan} plan
 * @param {Map<string, Box>} boxes
 * @param {Style} style
 */
function columnLines({ edges }, boxes, style) {
  /** @type {Line[]} */
  const lines = [];
  /** @type {Label[]} */
  const labels = [];
  /** By column and text. @type {Map<string, Bracket>} */
  const brackets = new Map();
  for (const edge of edges) {
    const to = lookUp(boxes, edge.to);
    const from = edge.from.map((id) => lookUp(boxes, id));
    if (edge.kind === "shares") lines.push({ kind: "shares", d: roundedPath(sharedLine(from[0], to)), ends: [] });
    else if (edge.kind === "combines") lines.push(...memberLines(from, to));
    else if (from[0].column === to.column) {
      const key = `${to.column} ${edge.label}`;
      const colour = style.colour(from[0].node);
      const bracket = brackets.get(key) ?? { label: edge.label, from: new Set(), to: new Set(), colour };
      for (const box of from) bracket.from.add(box);
      bracket.to.add(to);
      brackets.set(key, bracket);
    } else {
      const isPeer = (/** @type {Edge} */ other) =>
        other !== edge && other.to === edge.to && ["teaches", "continues"].includes(other.kind);
      const hasPeers = edges.filter(isPeer).some(({ from: [id] }) => lookUp(boxes, id).column !== to.column);
      const shift = !hasPeers ? 0 : edge.kind === "teaches" ? -12 : 14;
      lines.push(...crossingLines(edge, from, to, shift, style));
      labels.push(crossingLabel(edge, from, to, shift, style));
    }
  }
  for (const bracket of brackets.values()) {
    const { boxes: members, x, ys } = bracketPlace(bracket);
    lines.push(...bracketLines(bracket, members, x, ys, style));
    const text = wrapText(bracket.label, style.font(12), LABEL_WIDTH, 4);
    const y = (ys[0] + last(ys)) / 2 + 4 - (LABEL_ROW * (text.length - 1)) / 2;
    labels.push({ x: x + 9, y, anchor: "start", lines: text });
  }
  return { lines, labels };
}

/**
 * Return the x at which lines into a box turn vertical, and the width of the gap before the box.
 * @param {Box[]} from
 * @param {Box} to
 */
function turning(from, to) {
  const gap = to.x - Math.max(...from.map(rightEdge));
  return { gap, x: to.x - gap + Math.min(20, gap / 4) };
}

/**
 * Return the lines from one column to a later one. Lines from several teachers share a vertical line in a
 * neutral colour.
 * @param {Edge} edge
 * @param {Box[]} from
 * @param {Box} to
 * @param {number} shift vertical offset where two edges reach the same box
 * @param {Style} style
 * @returns {Line[]}
 */
function crossingLines({ kind }, from, to, shift, style) {
  const { x } = turning(from, to);
  const end = [to.x - 2, centreY(to) + shift];
  const isShared = kind === "teaches" && from.length > 1;
  /** @type {Line[]} */
  const trunk = [];
  if (isShared) {
    const ys = [end[1], ...from.map((box) => centreY(box) + shift)];
    const upright = `M${x} ${Math.min(...ys) + 8}V${Math.max(...ys) - 8}`;
    trunk.push({ kind, d: upright, colour: style.neutral, ends: [] });
    const head = { x: end[0], y: end[1], back: false };
    trunk.push({ kind, d: `M${x} ${end[1]}H${end[0]}`, colour: style.neutral, ends: [head] });
  }
  const branches = from.map((box) => {
    const start = [rightEdge(box), centreY(box) + shift];
    const isLevel = Math.abs(start[1] - end[1]) < 1;
    const colour = kind === "teaches" ? style.colour(box.node) : "";
    if (isShared) {
      const bend = isLevel ? [] : [[x, start[1] + 10 * Math.sign(end[1] - start[1])]];
      return { kind, d: roundedPath([start, [x, start[1]], ...bend]), colour, ends: [] };
    }
    const points = isLevel ? [start, end] : [start, [x, start[1]], [x, end[1]], end];
    return { kind, d: roundedPath(points), colour, ends: [arrowHead(points)] };
  });
  return [...trunk, ...branches];
}

/**
 * @param {Edge} edge
 * @param {Box[]} from
 * @param {Box} to
 * @param {number} shift
 * @param {Style} style
 * @returns {Label}
 */
function crossingLabel({ kind, label }, from, to, shift, style) {
  const { gap, x } = turning(from, to);
  const isStraight = from.length === 1 && Math.abs(centreY(from[0]) - centreY(to)) < 1;
  const first = isStraight ? to.x - gap : x;
  const lines = wrapText(label, style.font(12), to.x - first - 14, 4);
  const y = centreY(to) + shift + (kind === "teaches" ? -7 - LABEL_ROW * (lines.length - 1) : 16);
  return { x: (first + to.x - 6) / 2, y, anchor: "middle", lines };
}

/** @param {Bracket} bracket */
function bracketPlace({ from, to }) {
  const boxes = [...new Set([...from, ...to])].sort((a, b) => a.y - b.y);
  const x = boxes[0].x + boxes[0].width + BRACKET_OFFSET;
  const ys = boxes.length === 1 ? [centreY(boxes[0]) - 14, centreY(boxes[0]) + 14] : boxes.map(centreY);
  return { boxes, x, ys };
}

/**
 * Return the lines beside a column, a loop for a network that teaches itself, else a vertical line with branches.
 * @param {Bracket} bracket
 * @param {Box[]} boxes
 * @param {number} x
 * @param {number[]} ys
 * @param {Style} style
 * @returns {Line[]}
 */
function bracketLines({ from, to, colour }, boxes, x, ys, style) {
  const kind = "teaches";
  if (boxes.length === 1) {
    const right = boxes[0].x + boxes[0].width;
    const points = [
      [right, ys[1]],
      [x, ys[1]],
      [x, ys[0]],
      [right + 2, ys[0]],
    ];
    return [{ kind, d: roundedPath(points), colour, ends: [arrowHead(points)] }];
  }
  const isShared = from.size > 1;
  const trunk = `M${x} ${ys[0] + 12}V${last(ys) - 12}`;
  const branches = boxes.map((box, i) => {
    const points = [
      [x, ys[i] + (i === 0 ? 12 : -12)],
      [x, ys[i]],
      [rightEdge(box) + 2, ys[i]],
    ];
    const shared = from.has(box) ? style.colour(box.node) : style.neutral;
    const ends = to.has(box) ? [arrowHead(points)] : [];
    return { kind, d: roundedPath(points), colour: isShared ? shared : colour, ends };
  });
  return /** @type {Line[]} */ ([{ kind, d: trunk, colour: isShared ? style.neutral : colour, ends: [] }, ...branches]);
}

/**
 * Return the line from shared layers to the following ones, or to the network that continues from them.
 * @param {Box} from
 * @param {Box} to
 */
function sharedLine(from, to) {
  const x = from.x + from.width / 2;
  if (from.column === to.column)
    return [
      [x, from.y + from.height],
      [x, to.y],
    ];
  if (Math.abs(centreY(from) - centreY(to)) < 1)
    return [
      [from.x + from.width, centreY(from)],
      [to.x, centreY(to)],
    ];
  return [
    [x, to.y > from.y ? from.y + from.height : from.y],
    [x, centreY(to)],
    [to.x, centreY(to)],
  ];
}

/**
 * Return the lines from networks to the one derived from them, along the left edge of their column or from the previous
 * column.
 * @param {Box[]} from
 * @param {Box} to
 * @returns {Line[]}
 */
function memberLines(from, to) {
  const end = [to.x - 2, centreY(to)];
  return from.map((box) => {
    const isBefore = Number(box.column) < Number(to.column) && to.node.lane === "main";
    const y = isBefore ? centreY(box) : box.y + 0.72 * box.height;
    const turn = isBefore ? (box.x + box.width + to.x) / 2 : box.x - 16;
    const points = [[isBefore ? box.x + box.width : box.x, y], [turn, y], [turn, end[1]], end];
    const isLevel = Math.abs(y - end[1]) < 1;
    return { kind: "combines", d: roundedPath(isLevel ? [points[0], end] : points), ends: [arrowHead(points)] };
  });
}
