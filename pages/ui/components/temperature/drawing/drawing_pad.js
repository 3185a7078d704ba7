// Draw one: a pad for pen, finger, mouse and arrow keys; for 2-D data a plane on which one point is placed.
//
// Payload: bench, kind ("image" or "plane"), drawing, seen (data URI or null), pixels, extent, refused. State: drawing.

const SIDE = 320; // pixels, at most
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

class Pad extends Instrument {
  constructor(root) {
    super(root, "pad");
  }

  build() {
    const serial = (distillery.pads = (distillery.pads ?? 0) + 1);
    this.hint = html("p", { class: "dst-soft dst-small", id: `dst-pad-hint-${serial}` });
    this.canvas = html("canvas", { tabindex: 0, role: "application", "aria-describedby": this.hint.id, class: "dst-paper" });
    const acts = { pointerdown: "press", pointermove: "follow", pointerup: "lift", pointercancel: "lift", keydown: "type", focus: "enter", blur: "leave" };
    for (const [kind, act] of Object.entries(acts)) this.canvas.addEventListener(kind, (event) => this[act](event));
    const button = (text, act) => html("button", { type: "button", onclick: act }, text);
    this.undoing = button("Undo", () => this.undo());
    this.clearing = button("Clear", () => this.clear());
    this.where = html("span", { class: "dst-where", role: "status" });
    this.seen = html("img", { class: "dst-seen-picture" });
    this.caption = html("figcaption", { class: "dst-soft dst-small" });
    this.picture = html("figure", { class: "dst-seen" }, this.seen, this.caption);
    this.refused = html("p", { role: "alert", class: "dst-refusal", hidden: true });
    this.full = html("p", { role: "status", class: "dst-refusal" });
    this.spoken = html("p", { class: "dst-hidden-text", "aria-live": "polite" });
    const tools = html("div", { class: "dst-tools" }, this.undoing, this.clearing, this.where);
    this.root.append(html("div", { class: "dst-pad-row" }, html("div", {}, this.canvas, tools), this.picture), this.full, this.refused, this.hint, this.spoken);
    this.teller = new Teller((drawing) => this.say("drawing", drawing));
    Object.assign(this, { pointer: null, hasCursor: false, isStale: true });
  }
  // A pad can be drawn on before there are answers.
  get isReady() {
    return true;
  }

  configure({ kind, drawing, seen, pixels, extent, refused }) {
    const sort = JSON.stringify([kind, extent]);
    if (sort !== this.sort) {
      Object.assign(this, { sort, sheet: kind === "plane" ? new Spot(extent) : new Sketch(), pointer: null });
      this.sheet.adopt(drawing ?? "");
    }
    // What the reader is drawing at this moment is not taken away: Python hears of it when the pen is lifted.
    if (this.teller.hear(drawing ?? "") && !this.isHeld) {
      this.sheet.adopt(drawing ?? "");
      this.teller.accept(drawing ?? "");
    }
    const isPlane = kind === "plane";
    attributes(this.canvas, { "aria-label": `${isPlane ? "Plane" : "Drawing pad"}. ${this.sheet.explained}` });
    write(this.hint, isPlane ? `Click or drag to place a point. ${this.sheet.explained}` : `Draw with mouse, finger or pen. ${this.sheet.explained}`);
    this.undoing.hidden = this.picture.hidden = isPlane;
    write(this.caption, `What the networks see: ${pixels}`);
    this.refused.hidden = !refused;
    write(this.refused, refused ?? "");
    Object.assign(this, { isStale: true, source: seen ?? null });
  }
  get isHeld() {
    return this.pointer !== null || this.sheet.stroke !== null;
  }

  // Tells Python and draws. urgent: the reader has finished a stroke.
  tell(urgent) {
    this.teller.want(this.sheet.text, urgent);
    this.isStale = true;
    this.draw();
  }
  announce(text) {
    write(this.spoken, "");
    write(this.spoken, text);
  }
  undo() {
    this.sheet.undo();
    this.pointer = null;
    this.announce("last stroke taken back");
    this.tell(true);
  }
  clear() {
    this.sheet.clear();
    this.pointer = null;
    this.announce("cleared");
    this.tell(true);
  }

  // --- pen, finger, mouse -----------------------------------------------------------------------------------------

  place({ clientX, clientY }) {
    const { left, top } = this.canvas.getBoundingClientRect();
    const { clientLeft, clientTop, clientWidth, clientHeight } = this.canvas;
    return [(clientX - left - clientLeft) / clientWidth, (clientY - top - clientTop) / clientHeight];
  }
  press(event) {
    if (event.button !== 0 || this.pointer !== null) return;
    if (this.sheet.stroke) this.sheet.end();
    this.pointer = event.pointerId;
    this.canvas.setPointerCapture(event.pointerId);
    this.hasCursor = false;
    this.sheet.begin(this.place(event));
    this.tell(false);
  }
  follow(event) {
    if (event.pointerId !== this.pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) this.sheet.extend(this.place(each));
    this.tell(false);
  }
  lift(event) {
    if (event.pointerId !== this.pointer) return;
    this.pointer = null;
    this.sheet.end();
    this.tell(true);
  }

  // --- keyboard ---------------------------------------------------------------------------------------------------

  type(event) {
    const arrow = ARROWS[event.key];
    const isSketch = this.sheet instanceof Sketch;
    const known = arrow || ["Delete", "Escape"].includes(event.key) || (isSketch && [" ", "Backspace"].includes(event.key));
    if (!known || event.ctrlKey || event.metaKey || event.altKey || this.pointer !== null) return;
    event.preventDefault();
    this.hasCursor = true;
    if (arrow) {
      this.sheet.move(arrow, event.shiftKey);
      this.tell(false);
    } else if (event.key === " ") {
      if (event.repeat) return;
      this.announce(this.sheet.turn());
      this.tell(this.sheet.stroke === null);
    } else if (event.key === "Backspace") this.undo();
    else this.clear();
  }
  enter() {
    this.hasCursor = this.canvas.matches(":focus-visible");
    Object.assign(this, { isStale: true });
    this.draw();
  }
  // Whoever leaves the pad has lifted the pen.
  leave() {
    this.hasCursor = false;
    const wasDown = this.sheet.stroke !== null && this.pointer === null;
    if (wasDown) this.sheet.end();
    this.tell(wasDown);
  }

  // --- drawing ------------------------------------------------------------------------------------------------------

  paint(theme) {
    const { points, labels } = this.bench;
    const state = [this.width, theme.dark, theme.font, devicePixelRatio, points, labels.length];
    if (!this.isStale && state.every((value, i) => value === this.state?.[i])) return;
    Object.assign(this, { state, isStale: false });
    const { sheet } = this;
    const width = Math.min(SIDE, this.width - 2);
    const height = sheet instanceof Spot ? Math.round(width * Math.max(0.5, Math.min(1.25, sheet.height / sheet.width))) : width;
    const size = [Math.round(width * devicePixelRatio), Math.round(height * devicePixelRatio)];
    if (this.canvas.width !== size[0] || this.canvas.height !== size[1]) {
      attributes(this.canvas, { width: size[0], height: size[1], style: `width: ${width + 2}px; height: ${height + 2}px` });
    }
    const pencil = this.canvas.getContext("2d");
    pencil.setTransform(size[0] / width, 0, 0, size[1] / height, 0, 0);
    pencil.clearRect(0, 0, width, height);
    sheet.paint(pencil, theme, { width, height, cursor: this.hasCursor, points: points?.length === labels.length ? points : [], labels });
    for (const button of [this.undoing, this.clearing]) attributes(button, { "aria-disabled": String(sheet.isEmpty) });
    write(this.full, sheet.isFull ? "The pad is full: undo or clear." : "");
    write(this.where, sheet.name ?? "");
    this.#see(sheet.isEmpty ? null : this.source);
  }
  // The frame of the picture stays where it is, whether there is one or not.
  #see(source) {
    if (source === this.shown) return;
    this.shown = source;
    if (source) attributes(this.seen, { src: source, alt: `Your drawing as the networks see it: ${this.spec.pixels}` });
    this.seen.classList.toggle("dst-nothing", !source);
    if (source) return;
    this.seen.removeAttribute("src");
    attributes(this.seen, { alt: "" });
  }

  destroy() {
    this.teller.cancel();
    super.destroy();
  }
}

export default mounting(Pad);
