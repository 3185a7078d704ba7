// Decision surfaces side by side. New frames are played back at a limited rate, since training may be faster.
//
// Payload: roles, titles {role}, captions {role}, classes [name], extent [x0, x1, y0, y1], points {role: [{x, y, label,
// training_label}]}, live, autoplay, empty. Frames: {evaluation, size, probabilities: {role: base64}} and, without an epoch slider
// on the page, the fields of the evaluation.

import { context2d, html, setAttributes, setText } from "../../shared/dom.js";
import { formatPercent } from "../../shared/format.js";
import { markerGlyph, markerPath } from "../../shared/markers.js";
import { mount, observeWidth, redrawScheduler } from "../../shared/mount.js";
import palette from "../../shared/palette.js";
import { FrameFeed } from "../../shared/state/frame_feed.js";
import { lastUpTo, Playhead } from "../../shared/state/playhead.js";
import { parseColour, prefersReducedMotion, readTheme } from "../../shared/theme.js";
import { EXPORT_SCALE, saveFile, toolButton } from "../../shared/widgets/export.js";
import { ProbabilityField } from "./probability_field.js";

/** @typedef {import("../../shared/theme.js").Theme} Theme */
/**
 * `training_label` is the label that the student is trained with, which label noise may have changed.
 * @typedef {{x: number, y: number, label: number, training_label?: number}} Point
 */
/** @typedef {{evaluation: number, size: number, encoded: string}} Frame */
/**
 * @typedef {{
 *   node: HTMLElement,
 *   canvas: HTMLCanvasElement,
 *   accuracy: HTMLElement,
 *   split: HTMLElement,
 *   epoch: HTMLElement,
 *   state?: string,
 *   pointsKey?: string,
 * }} Panel
 */

const MAX_COLUMNS = 4;
const FRAME_INTERVAL = 50; // milliseconds: at most twenty frames a second
const CATCH_UP_STEPS = 40; // the number of steps in which a playback catches up with any number of frames

class DecisionSurfaces {
  #feed = new FrameFeed();
  /** Evaluations of all frames. @type {number[]} */
  #evaluations = [];
  /** @type {Record<string, Frame[]>} */
  #frames = {};
  #position = -1; // the frame that the playback has reached
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer = undefined;
  #shape = "";
  #width = 0;
  /** @type {{roles: string[], classes: string[], points: Record<string, Point[]>} & Record<string, any>} */
  spec = { roles: [], classes: [], points: {} };
  /** @type {Panel[]} */
  panels = [];

  /** @param {HTMLElement} root */
  constructor(root) {
    root.classList.add("dst-surfaces");
    this.root = root;
    this.draw = redrawScheduler(() => this.#draw());
    this.empty = html("p", { class: "dst-empty" });
    this.figures = html("div", { class: "dst-figures" });
    this.legend = html("p", { class: "dst-class-legend" });
    const save = toolButton("PNG", "Download the surfaces as PNG", () => this.#save());
    this.tools = html("div", { class: "dst-tools" }, save);
    root.append(this.empty, this.figures, this.legend, this.tools);
    this.playhead = new Playhead(this.draw);
    this.stopObserving = observeWidth(root, (width) => {
      this.#width = width;
      this.draw();
    });
  }

  /**
   * @param {any} data
   * @param {import("../../shared/mount.js").Callbacks} callbacks
   */
  update(data, { setTriggerValue }) {
    const { isNewRun, frames } = this.#feed.receive(data, setTriggerValue);
    const points = this.#feed.retained(data, "points", {});
    /** @type {Record<string, any>} */
    const defaults = { roles: [], classes: [], titles: {}, captions: {}, extent: [-1, 1, -1, 1], live: true };
    this.spec = { ...defaults, ...data, points };
    if (isNewRun) {
      this.#stop();
      this.#evaluations = [];
      this.#frames = {};
      this.#position = -1;
    }
    this.playhead.join(data.run);
    for (const frame of frames) this.#add(frame);
    // A finished run shows its last frame at once; a run in progress plays until there.
    const isFinished = this.#position < 0 && !this.spec.live && !this.spec.autoplay;
    if (prefersReducedMotion() || isFinished) this.#finish();
    else if (this.#position < this.#evaluations.length - 1) this.#play();
    this.draw();
  }

  /** @param {any} frame */
  #add({ evaluation, size, probabilities, ...description }) {
    this.#evaluations.push(evaluation);
    for (const [role, encoded] of Object.entries(probabilities)) {
      this.#frames[role] ??= [];
      this.#frames[role].push({ evaluation, size, encoded });
    }
    if (Object.keys(description).length) this.playhead.describe(evaluation, [description]);
  }

  // --- playback ---------------------------------------------------------------------------------------------------

  #play() {
    if (this.#timer) return;
    const step = () => {
      const left = this.#evaluations.length - 1 - this.#position;
      this.#position += Math.max(1, Math.ceil(left / CATCH_UP_STEPS));
      if (this.#position >= this.#evaluations.length - 1) {
        this.#finish();
        return;
      }
      this.playhead.follow(this.#evaluations[this.#position]);
      this.draw();
    };
    this.#timer = setInterval(step, FRAME_INTERVAL);
    step();
  }
  #stop() {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.playhead.follow(null);
  }
  #finish() {
    this.#position = this.#evaluations.length - 1;
    this.#stop();
    this.draw();
  }

  /** The evaluation to draw; null is the latest. */
  get #evaluation() {
    return this.playhead.evaluation ?? (this.#timer ? this.#evaluations[this.#position] : null);
  }

  // --- drawing ------------------------------------------------------------------------------------------------------

  /**
   * @param {string} role
   * @returns {Point[]}
   */
  #points(role) {
    return this.spec.points[role] ?? [];
  }

  #draw() {
    const { roles, points } = this.spec;
    const hasPoints = Object.values(points).some((list) => list.length);
    const isEmpty = roles.length === 0 || (this.#evaluations.length === 0 && !hasPoints);
    this.empty.hidden = !isEmpty;
    this.figures.hidden = this.legend.hidden = this.tools.hidden = isEmpty;
    setText(this.empty, this.spec.empty ?? "No network has been trained yet.");
    if (isEmpty || !this.#width) return;
    const theme = readTheme(this.root);
    this.#build(theme);
    roles.forEach((role, i) => {
      this.#drawPanel(this.panels[i], role, theme);
    });
  }

  /** @param {Theme} theme */
  #build(theme) {
    const { roles, titles, captions, classes, points } = this.spec;
    const isWrong = (/** @type {Point} */ { label, training_label: trainingLabel = label }) => trainingLabel !== label;
    const hasWrong = Object.values(points).some((list) => list.some(isWrong));
    const shape = JSON.stringify([
      roles,
      titles,
      captions,
      classes,
      hasWrong,
      theme.dark,
      this.#evaluations.length > 0,
    ]);
    if (shape === this.#shape) return;
    this.#shape = shape;
    this.panels = roles.map((role) => this.#panel(role, theme));
    this.figures.replaceChildren(...this.panels.map(({ node }) => node));
    this.figures.style.setProperty("--count", String(Math.min(this.panels.length, MAX_COLUMNS)));
    this.#updateLegend(theme, hasWrong);
  }

  /**
   * @param {string} role
   * @param {Theme} theme
   * @returns {Panel}
   */
  #panel(role, theme) {
    const { glyph, colour, name } = theme.role(role);
    const canvas = html("canvas");
    const accuracy = html("span", { class: "dst-accuracy" });
    const split = html("small", { class: "dst-split" }, "validation");
    const epoch = html("span", { class: "dst-epoch-label" });
    const title = html("h3", {}, html("i", { style: `color: ${colour}` }, glyph), this.spec.titles[role] ?? name);
    const head = html("div", { class: "dst-surface-head" }, title, accuracy, split);
    const caption = html("figcaption", {}, html("span", {}, this.spec.captions[role] ?? ""), epoch);
    return { node: html("figure", {}, head, canvas, caption), canvas, accuracy, split, epoch };
  }

  /**
   * @param {Theme} theme
   * @param {boolean} hasWrong
   */
  #updateLegend(theme, hasWrong) {
    const entry = (/** @type {string} */ name, /** @type {number} */ k) =>
      html("span", {}, html("i", { style: `color: ${theme.classColour(k)}` }, markerGlyph(k)), name);
    const wrong = hasWrong ? [html("span", {}, html("i", {}, palette.wrongLabel), "wrong label")] : [];
    const line = html("span", {}, html("i", { class: "dst-boundary" }), "decision boundary");
    this.legend.replaceChildren(...this.spec.classes.map(entry), ...wrong, ...(this.#evaluations.length ? [line] : []));
  }

  /**
   * @param {Panel} panel
   * @param {string} role
   * @param {Theme} theme
   */
  #drawPanel(panel, role, theme) {
    const frame = lastUpTo(this.#frames[role] ?? [], this.#evaluation);
    const [x0, x1, y0, y1] = this.spec.extent;
    const width = panel.node.clientWidth;
    const height = Math.round((width * (y1 - y0)) / (x1 - x0));
    const scale = devicePixelRatio || 1;
    const points = this.#points(role);
    const pointsKey = `${points.length} ${points[0]?.x} ${points.at(-1)?.x}`;
    const state = JSON.stringify([
      frame?.evaluation,
      width,
      height,
      scale,
      theme.dark,
      this.#feed.run,
      this.spec.extent,
    ]);
    if (panel.state !== state || panel.pointsKey !== pointsKey) {
      panel.state = state;
      panel.pointsKey = pointsKey;
      const { canvas } = panel;
      canvas.width = width * scale;
      canvas.height = height * scale;
      canvas.style.height = `${height}px`;
      const context = context2d(canvas);
      context.scale(scale, scale);
      if (frame) this.#paintSurface(context, frame, theme, width, height);
      this.#paintPoints(context, points, theme, width, height);
    }
    this.#updateCaption(panel, role, theme, frame);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Frame} frame
   * @param {Theme} theme
   * @param {number} width
   * @param {number} height
   */
  #paintSurface(context, { encoded, size }, theme, width, height) {
    const { classes } = this.spec;
    const colours = classes.map((_, k) => parseColour(theme.classColour(k)));
    const field = new ProbabilityField(encoded, size, classes.length);
    context.imageSmoothingQuality = "high";
    // The outermost grid points lie on the edges, so the outer halves of their pixels fall outside.
    const [dx, dy] = [width / (size - 1), height / (size - 1)];
    const image = field.image(colours, parseColour(theme.background), theme.dark ? 0.42 : 0.4);
    context.drawImage(image, -dx / 2, -dy / 2, width + dx, height + dy);
    context.beginPath();
    for (const [ax, ay, bx, by] of field.boundary()) {
      context.moveTo(ax * dx, height - ay * dy);
      context.lineTo(bx * dx, height - by * dy);
    }
    Object.assign(context, { strokeStyle: theme.text, lineWidth: 1.5, lineCap: "round" });
    context.stroke();
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Point[]} points
   * @param {Theme} theme
   * @param {number} width
   * @param {number} height
   */
  #paintPoints(context, points, theme, width, height) {
    const [x0, x1, y0, y1] = this.spec.extent;
    const radius = Math.max(1.8, Math.min(4.2, width / 90, 60 / Math.sqrt(points.length)));
    const lineWidth = radius < 2.6 ? 0.35 : 0.8;
    for (const { x, y, label, training_label: trainingLabel = label } of points) {
      const px = ((x - x0) / (x1 - x0)) * width;
      const py = height - ((y - y0) / (y1 - y0)) * height;
      const shape = new Path2D(`M${px},${py}${markerPath(trainingLabel, radius)}`);
      Object.assign(context, { fillStyle: theme.classColour(trainingLabel), strokeStyle: theme.text, lineWidth });
      context.fill(shape);
      context.stroke(shape);
      if (trainingLabel === label) continue;
      const arm = radius * 1.7;
      context.lineWidth = 1.25;
      context.stroke(new Path2D(`M${px - arm},${py - arm}l${2 * arm},${2 * arm}m0,${-2 * arm}l${-2 * arm},${2 * arm}`));
    }
  }

  /**
   * Write the network's last evaluation, which for a finished teacher is earlier than the run's.
   * @param {Panel} panel
   * @param {string} role
   * @param {Theme} theme
   * @param {Frame | undefined} frame
   */
  #updateCaption(panel, role, theme, frame) {
    const { label = "", accuracy } = frame ? this.playhead.at(frame.evaluation) : {};
    const percentage = accuracy?.[role] === undefined ? "" : formatPercent(accuracy[role]);
    setText(panel.epoch, frame ? label : this.spec.live ? "not trained yet" : "");
    setText(panel.accuracy, percentage);
    panel.split.hidden = !percentage;
    const title = this.spec.titles[role] ?? theme.role(role).name;
    const facts = [label, percentage && `accuracy ${percentage}`].filter(Boolean).join(", ") || "Not trained yet";
    const name = `${title}: decision surface over the plane. ${facts}.`;
    setAttributes(panel.canvas, { role: "img", "aria-label": name });
  }

  /** Save all surfaces in a row, each below its title, as one image. */
  #save() {
    const [gap, head] = [16, 28];
    const sizes = this.panels.map(({ canvas }) => ({ width: canvas.clientWidth, height: canvas.clientHeight }));
    const width = sizes.reduce((sum, size) => sum + size.width + gap, gap);
    const height = Math.max(...sizes.map((size) => size.height)) + head + gap;
    const whole = html("canvas", { width: EXPORT_SCALE * width, height: EXPORT_SCALE * height });
    const context = context2d(whole);
    const theme = readTheme(this.root);
    context.scale(EXPORT_SCALE, EXPORT_SCALE);
    context.fillStyle = theme.background;
    context.fillRect(0, 0, width, height);
    Object.assign(context, { fillStyle: theme.text, font: `600 13px ${theme.font}`, textBaseline: "middle" });
    let left = gap;
    this.panels.forEach(({ node, canvas, accuracy, epoch }, i) => {
      const title = [...(node.querySelector("h3")?.childNodes ?? [])].map((part) => part.textContent).join(" ");
      const text = [title, accuracy.textContent, epoch.textContent].filter(Boolean).join(" · ");
      context.fillText(text, left, head / 2, sizes[i].width);
      context.drawImage(canvas, left, head, sizes[i].width, sizes[i].height);
      left += sizes[i].width + gap;
    });
    whole.toBlob((blob) => blob && saveFile("surfaces", "png", blob));
  }

  destroy() {
    clearInterval(this.#timer);
    this.draw.cancel();
    this.stopObserving();
    this.playhead.leave();
  }
}

export default mount(DecisionSurfaces, import.meta.url, ["../../shared/widgets/export.css", "decision_surfaces.css"]);
