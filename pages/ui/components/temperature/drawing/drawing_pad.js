// Drawing pad for pen, finger, mouse and arrow keys, or for 2-D data a plane to place a point in.
//
// Payload: store, kind ("image" or "plane"), drawing, preview (data URI of the network's input, or null), pixels, extent,
// error (a message about the drawing, or null). Sets the state drawing.

import { context2d, html, pointerPosition, setAttributes, setText } from "../../shared/dom.js";
import { mount } from "../../shared/mount.js";
import { TemperatureComponent } from "../shared/component.js";
import { PointPad } from "./point_pad.js";
import { Strokes } from "./strokes.js";
import { StateThrottle } from "./throttle.js";

const MAX_SIZE = 320; // pixels
/** @type {Record<string, number[]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
let pads = 0;

/** @typedef {import("../../shared/theme.js").Theme} Theme */

class DrawingPad extends TemperatureComponent {
  /** @type {unknown[] | undefined} */
  state;
  /** @type {string | null | undefined} */
  imageSource;

  /** @param {HTMLElement} root */
  constructor(root) {
    super(root, "drawing_pad");
    this.hint = html("p", { class: "dst-muted dst-small", id: `dst-drawing-pad-hint-${++pads}` });
    this.canvas = html("canvas", {
      tabindex: 0,
      role: "application",
      "aria-describedby": this.hint.id,
      class: "dst-drawing-pad-canvas",
      onpointerdown: (/** @type {PointerEvent} */ event) => this.#press(event),
      onpointermove: (/** @type {PointerEvent} */ event) => this.#drag(event),
      onpointerup: (/** @type {PointerEvent} */ event) => this.#release(event),
      onpointercancel: (/** @type {PointerEvent} */ event) => this.#release(event),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#onKey(event),
      onfocus: () => this.#onFocus(),
      onblur: () => this.#onBlur(),
    });
    const button = (/** @type {string} */ text, /** @type {() => void} */ onclick) =>
      html("button", { type: "button", onclick }, text);
    this.undoButton = button("Undo", () => this.#undo());
    this.clearButton = button("Clear", () => this.#clear());
    this.position = html("span", { class: "dst-position", role: "status" });
    this.inputImage = html("img", { class: "dst-input-image" });
    this.caption = html("figcaption", { class: "dst-muted dst-small" });
    this.inputFigure = html("figure", { class: "dst-input-figure" }, this.inputImage, this.caption);
    this.error = html("p", { role: "alert", class: "dst-error", hidden: true });
    this.fullNote = html("p", { role: "status", class: "dst-error" });
    this.announcement = html("p", { class: "dst-hidden-text", "aria-live": "polite" });
    const tools = html("div", { class: "dst-tools" }, this.undoButton, this.clearButton, this.position);
    const row = html("div", { class: "dst-drawing-pad-row" }, html("div", {}, this.canvas, tools), this.inputFigure);
    this.root.append(row, this.fullNote, this.error, this.hint, this.announcement);
    this.throttle = new StateThrottle((text) => this.setStateValue("drawing", text));
    /** @type {Strokes | PointPad} */
    this.drawing = new Strokes();
    /** @type {number | null} */
    this.pointer = null;
    this.hasCursor = false;
    this.isStale = true;
    this.shape = "";
  }
  /** Always true, since drawing needs no logits. */
  get isReady() {
    return true;
  }

  /** @param {any} spec */
  configure({ kind, drawing, preview, pixels, extent, error }) {
    const text = drawing ?? "";
    const isPlane = kind === "plane";
    const shape = JSON.stringify([kind, extent]);
    if (shape !== this.shape) {
      this.shape = shape;
      this.drawing = isPlane ? new PointPad(extent) : new Strokes();
      this.drawing.load(text);
      this.pointer = null;
    }
    // A stroke in progress is not replaced; Python receives it when the pen is lifted.
    if (this.throttle.isNew(text) && !this.isHeld) {
      this.drawing.load(text);
      this.throttle.accept(text);
    }
    const { instructions } = this.drawing;
    setAttributes(this.canvas, { "aria-label": `${isPlane ? "Plane" : "Drawing pad"}. ${instructions}` });
    const first = isPlane ? "Click or drag to place a point." : "Draw with mouse, finger or pen.";
    setText(this.hint, `${first} ${instructions}`);
    this.undoButton.hidden = this.inputFigure.hidden = isPlane;
    setText(this.caption, `Network input: ${pixels}`);
    this.error.hidden = !error;
    setText(this.error, error ?? "");
    /** @type {string | null} */
    this.source = preview ?? null;
    this.isStale = true;
  }
  get isHeld() {
    return this.pointer !== null || this.drawing.stroke !== null;
  }

  /** @param {boolean} isFinished whether a stroke is complete */
  #changed(isFinished) {
    this.throttle.request(this.drawing.text, isFinished);
    this.isStale = true;
    this.draw();
  }
  /** @param {string} text */
  #announce(text) {
    setText(this.announcement, "");
    setText(this.announcement, text);
  }
  #undo() {
    this.drawing.undo();
    this.pointer = null;
    this.#announce("last stroke removed");
    this.#changed(true);
  }
  #clear() {
    this.drawing.clear();
    this.pointer = null;
    this.#announce("cleared");
    this.#changed(true);
  }

  // --- pen, finger, mouse -----------------------------------------------------------------------------------------

  /** @param {PointerEvent} event */
  #position(event) {
    const [x, y] = pointerPosition(this.canvas, event);
    const { clientLeft, clientTop, clientWidth, clientHeight } = this.canvas;
    return [(x - clientLeft) / clientWidth, (y - clientTop) / clientHeight];
  }
  /** @param {PointerEvent} event */
  #press(event) {
    if (event.button !== 0 || this.pointer !== null) return;
    if (this.drawing.stroke) this.drawing.end();
    this.pointer = event.pointerId;
    this.canvas.setPointerCapture(event.pointerId);
    this.hasCursor = false;
    this.drawing.begin(this.#position(event));
    this.#changed(false);
  }
  /** @param {PointerEvent} event */
  #drag(event) {
    if (event.pointerId !== this.pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const one of events.length ? events : [event]) this.drawing.extend(this.#position(one));
    this.#changed(false);
  }
  /** @param {PointerEvent} event */
  #release(event) {
    if (event.pointerId !== this.pointer) return;
    this.pointer = null;
    this.drawing.end();
    this.#changed(true);
  }

  // --- keyboard ---------------------------------------------------------------------------------------------------

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const arrow = ARROWS[event.key];
    const { drawing } = this;
    const keys = drawing instanceof Strokes ? ["Delete", "Escape", " ", "Backspace"] : ["Delete", "Escape"];
    if (!(arrow || keys.includes(event.key)) || event.ctrlKey || event.metaKey || event.altKey || this.pointer !== null)
      return;
    event.preventDefault();
    this.hasCursor = true;
    if (arrow) {
      drawing.move(arrow, event.shiftKey);
      this.#changed(false);
    } else if (event.key === " " && drawing instanceof Strokes) {
      if (event.repeat) return;
      this.#announce(drawing.togglePen());
      this.#changed(drawing.stroke === null);
    } else if (event.key === "Backspace") this.#undo();
    else this.#clear();
  }
  #onFocus() {
    this.hasCursor = this.canvas.matches(":focus-visible");
    this.isStale = true;
    this.draw();
  }
  /** Lift the pen when the pad loses the focus. */
  #onBlur() {
    this.hasCursor = false;
    const wasDown = this.drawing.stroke !== null && this.pointer === null;
    if (wasDown) this.drawing.end();
    this.#changed(wasDown);
  }

  // --- drawing ------------------------------------------------------------------------------------------------------

  /** @param {Theme} theme */
  paint(theme) {
    const { points, labels } = this.store;
    const state = [this.width, theme.dark, theme.font, devicePixelRatio, points, labels.length];
    if (!this.isStale && state.every((value, i) => value === this.state?.[i])) return;
    this.state = state;
    this.isStale = false;
    const { drawing } = this;
    const width = Math.min(MAX_SIZE, this.width - 2);
    const aspect = drawing instanceof PointPad ? Math.max(0.5, Math.min(1.25, drawing.height / drawing.width)) : 1;
    const height = Math.round(width * aspect);
    const size = [Math.round(width * devicePixelRatio), Math.round(height * devicePixelRatio)];
    if (this.canvas.width !== size[0] || this.canvas.height !== size[1]) {
      const style = `width: ${width + 2}px; height: ${height + 2}px`;
      setAttributes(this.canvas, { width: size[0], height: size[1], style });
    }
    const context = context2d(this.canvas);
    context.setTransform(size[0] / width, 0, 0, size[1] / height, 0, 0);
    context.clearRect(0, 0, width, height);
    const data = { points: points?.length === labels.length ? points : [], labels };
    drawing.paint(context, theme, { width, height, cursor: this.hasCursor, ...data });
    for (const button of [this.undoButton, this.clearButton]) {
      setAttributes(button, { "aria-disabled": String(drawing.isEmpty) });
    }
    setText(this.fullNote, drawing.isFull ? "The pad is full: undo or clear." : "");
    setText(this.position, drawing.name);
    this.#showNetworkInput(drawing.isEmpty ? null : this.source);
  }
  /**
   * Show the network's input, or an empty box of the same size.
   * @param {string | null} source
   */
  #showNetworkInput(source) {
    if (source === this.imageSource) return;
    this.imageSource = source;
    const alt = source ? `Your drawing as network input: ${this.spec.pixels}` : "";
    setAttributes(this.inputImage, { alt });
    this.inputImage.classList.toggle("dst-blank", !source);
    if (source) this.inputImage.src = source;
    else this.inputImage.removeAttribute("src");
  }

  destroy() {
    this.throttle.cancel();
    super.destroy();
  }
}

export default mount(DrawingPad, import.meta.url, [
  "../../shared/widgets/export.css",
  "../shared/figure.css",
  "drawing_pad.css",
]);
