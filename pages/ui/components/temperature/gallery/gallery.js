// The chosen example in large, and all filtered examples of the current split, as pages of thumbnails or, for 2-D data,
// as a scatter plot.
//
// Payload: store, image (position in the current split), show (a key of FILTERS), class ("none" or a class name), large
// (null, or {index, src}, a picture with more pixels than the sprite sheet). Sets the states image, show and class.

import { html, setAttributes, setText } from "../../shared/dom.js";
import { formatNumber } from "../../shared/format.js";
import { mount } from "../../shared/mount.js";
import { TemperatureComponent } from "../shared/component.js";
import { FILTERS, GalleryFilter } from "./gallery_filter.js";
import { GalleryScatter } from "./gallery_scatter.js";

const GAP = 4; // between thumbnails
const EDGE = 3; // around a thumbnail, for its frame

const MAX_PICTURE = 224; // pixels of the chosen example
const MIN_PICTURE = 184;
const KEY_DELAY = 300; // milliseconds after the last repeat of a held key until the choice is sent to Python

/** @typedef {import("../../shared/theme.js").Theme} Theme */

/** Whether the columns of the page stand one below the other, by the width at which Streamlit stacks them. */
const isPhone = () => matchMedia("(max-width: 640px)").matches;

class Gallery extends TemperatureComponent {
  /** @type {string | undefined} */
  filterKey;
  /** @type {string[] | undefined} */
  optionClasses;

  /** @param {HTMLElement} root */
  constructor(root) {
    super(root, "gallery");
    this.filter = new GalleryFilter();
    this.show = "all";
    this.current = "all"; // `show`, unless its filter needs a network that does not exist
    this.label = "none";
    /** Positions of the filtered examples. @type {number[]} */
    this.list = [];
    this.page = 0;
    this.count = 1; // of examples on a page
    this.columns = 1;
    this.size = 44; // of a thumbnail
    /** Position of an example chosen by Python. @type {number | null} */
    this.requested = null;
    const button = (/** @type {string} */ text, /** @type {() => void} */ onclick) =>
      html("button", { type: "button", onclick }, text);
    const select = (/** @type {"show" | "class"} */ state, /** @type {string} */ label) => {
      const node = html("select", { "aria-label": label, onchange: () => this.#setFilter(state, node.value) });
      return node;
    };
    this.filters = select("show", "Examples to choose from");
    this.select = select("class", "True class of the examples");
    this.picture = html("div", { class: "dst-picture" });
    this.title = html("b", {});
    this.trueClass = html("span", {});
    this.predictions = html("span", {});
    this.chosen = html("p", { class: "dst-chosen" }, this.title, this.trueClass, this.predictions);
    this.stepButtons = [-1, 1].map((step) => button(step < 0 ? "← Previous" : "Next →", () => this.#step(step)));
    this.random = button("Surprise me", () => this.#chooseRandom());
    const example = html("div", { class: "dst-example" }, this.picture, this.chosen);
    const steps = html("div", { class: "dst-steps" }, this.stepButtons, this.random);
    this.empty = html("p", { class: "dst-empty" });
    const onKey = (/** @type {KeyboardEvent} */ event) => this.#onKey(event);
    const group = { role: "radiogroup", "aria-label": "Examples", onkeydown: onKey };
    this.grid = html("div", { class: "dst-thumbnails", ...group });
    this.scatter = new GalleryScatter(
      (position) => this.#pick(position),
      onKey,
      () => this.#table(),
    );
    this.pageButtons = [-1, 1].map((step) => button(step < 0 ? "← Page" : "Page →", () => this.#changePage(step)));
    this.range = html("span", { role: "status" });
    this.legend = html("span", { class: "dst-muted" }, "≠ student error");
    const [previous, next] = this.pageButtons;
    this.pager = html("div", { class: "dst-pager" }, previous, this.range, next, this.legend);
    const narrow = html("div", { class: "dst-filters" }, this.filters, this.select);
    const summary = html("summary", {}, isPhone() ? "Filter, or choose by picture" : "Choose by picture");
    const folded = isPhone() ? [narrow] : []; // so that more of the softened outputs is in view
    this.thumbnails = html("details", { open: !isPhone() }, summary, folded, this.grid, this.pager);
    const filters = isPhone() ? [] : [narrow];
    this.root.append(this.scatter.figure.node, example, steps, ...filters, this.empty, this.thumbnails);
    // An invalid choice is replaced also while the gallery is not visible.
    const redraw = this.changed;
    this.changed = () => {
      this.#applyIndex();
      redraw();
    };
  }

  /** @param {any} spec */
  configure({ image, show, class: label, large }) {
    this.large = large ?? null;
    if (this.isNew("show", show)) this.show = show in FILTERS ? show : "all";
    if (this.isNew("class", label)) this.label = label ?? "none";
    if (this.isNew("image", image)) this.requested = Math.trunc(image) || 0;
    this.#applyIndex();
  }
  /** Limit the index to the examples. A custom input stays until Python or the user replaces it. */
  #applyIndex() {
    const last = this.store.labels.length - 1;
    if (last < 0) return;
    const index = Math.max(0, Math.min(this.requested ?? this.store.index, last));
    this.requested = null;
    if (index !== this.store.index) this.store.set({ index });
  }

  // --- drawing ------------------------------------------------------------------------------------------------------

  /** @param {Theme} theme */
  paint(theme) {
    const { store, filter } = this;
    const isUpdated = filter.update(store);
    const input = [store.index, store.custom === null, this.width, theme.dark, store.points, store.sheet, this.large];
    const state = [this.show, this.label, this.page, ...input];
    if (!filter.labels.length || (!isUpdated && state.every((value, i) => value === this.state?.[i]))) return;
    const hasImages = !store.points;
    const root = /** @type {Document | ShadowRoot} */ (this.root.getRootNode());
    const hasFocus = this.grid.contains(root.activeElement);
    this.#updateFilters();
    this.#updatePicture(theme, hasImages);
    this.#computeGrid(hasImages);
    const position = this.list.indexOf(store.index);
    const key = `${this.show} ${this.label}`;
    if (key !== this.filterKey && position < 0) this.page = 0;
    else if (position >= 0 && (store.index !== this.followedIndex || key !== this.filterKey)) {
      this.page = Math.floor(position / this.count);
    }
    this.page = Math.max(0, Math.min(this.page, Math.ceil(this.list.length / this.count) - 1));
    this.filterKey = key;
    this.followedIndex = store.index;
    const isEmpty = this.list.length === 0;
    setText(this.empty, isEmpty ? this.#emptyText : "");
    this.empty.hidden = !isEmpty;
    this.grid.hidden = isEmpty || !hasImages;
    this.thumbnails.hidden = !hasImages && !isPhone();
    this.scatter.figure.node.hidden = hasImages;
    if (hasImages) this.#updatePage(hasFocus);
    else this.#updateScatter(theme, position);
    this.#updatePager(position, hasImages);
    this.state = [this.show, this.label, this.page, ...input];
  }
  get isChosen() {
    return this.store.custom === null;
  }

  #updateFilters() {
    const { classes } = this.store;
    const { lists, labels } = this.filter;
    if (classes !== this.optionClasses) {
      this.optionClasses = classes;
      const options = classes.map((name) => html("option", { value: name }, name));
      this.select.replaceChildren(html("option", { value: "none" }, "All classes"), ...options);
    }
    const k = classes.indexOf(this.label);
    this.select.value = k < 0 ? "none" : this.label;
    this.current = lists[this.show] ? this.show : "all";
    const inClass = (/** @type {number[]} */ list) => (k < 0 ? list : list.filter((i) => labels[i] === k));
    this.list = inClass(lists[this.current]);
    const options = Object.entries(FILTERS).flatMap(([show, text]) =>
      lists[show] ? [html("option", { value: show }, `${text} (${inClass(lists[show]).length})`)] : [],
    );
    this.filters.replaceChildren(...options);
    this.filters.value = this.current;
  }

  /**
   * Show the chosen example in large, with its class and what the networks predict.
   * @param {Theme} theme
   * @param {boolean} hasImages
   */
  #updatePicture(theme, hasImages) {
    const { store, filter } = this;
    const { index, classes } = store;
    this.picture.hidden = !hasImages || !this.isChosen;
    this.chosen.hidden = !this.isChosen;
    if (!this.isChosen) return;
    setText(this.title, store.title(index));
    setText(this.trueClass, `✓ true class ${classes[filter.labels[index]]}`);
    const prediction = (/** @type {string} */ role) => {
      const top = filter.topClasses[role]?.[index];
      if (top === undefined) return null;
      const { glyph, name, colour } = theme.role(role);
      const mark = html("i", { style: `color: ${colour}`, "aria-hidden": "true" }, glyph);
      const isWrong = top !== filter.labels[index];
      return html("span", {}, mark, ` ${name} predicts ${classes[top]}${isWrong ? " ≠" : ""}`);
    };
    this.predictions.replaceChildren(...["teacher", "student"].map(prediction).filter((node) => node !== null));
    if (!hasImages) return;
    const size = this.#pictureSize();
    const isLarge = this.large?.index === index;
    const attributes = { src: this.large?.src, width: size, alt: "", class: "dst-large" };
    this.picture.replaceChildren(isLarge ? html("img", attributes) : store.thumbnail(index, size));
    setAttributes(this.picture, { role: "img", "aria-label": this.#name(index) });
  }
  /** Return the width of the picture, if possible a multiple of the width of the image. */
  #pictureSize() {
    const width = this.store.sheet?.width ?? 1;
    if (isPhone()) return Math.ceil(MIN_PICTURE / width) * width;
    const most = Math.min(MAX_PICTURE, this.width);
    return Math.floor(most / width) * width;
  }
  get #emptyText() {
    const ofClass = this.select.value === "none" ? "" : ` of class ${this.label}`;
    const every = ofClass ? `every example${ofClass}` : "every one of these";
    if (this.current === "student_wrong") return `The student classifies ${every} correctly.`;
    if (this.current === "disagree") return `Teacher and student predict the same class for ${every}.`;
    if (this.current === "unsure") {
      return `None of the ${this.filter.lists.unsure.length} examples with the lowest teacher confidence is${ofClass}.`;
    }
    return `No example of this split is${ofClass}.`;
  }

  /**
   * Compute the grid of thumbnails. They are about 44 pixels wide, if possible a multiple of the width of the image.
   * @param {boolean} hasImages
   */
  #computeGrid(hasImages) {
    const { sheet } = this.store;
    const first = this.page * this.count;
    const whole = sheet ? Math.round(44 / sheet.width) * sheet.width : 0;
    this.size = whole >= 36 && whole <= 56 ? whole : 44;
    const cell = this.size + 2 * EDGE;
    const height = (sheet ? (this.size * sheet.height) / sheet.width : this.size) + 2 * EDGE;
    this.columns = Math.max(1, Math.floor((this.width + GAP) / (cell + GAP)));
    const rows = Math.max(2, Math.min(4, Math.round(28 / this.columns)));
    this.count = hasImages ? this.columns * rows : Math.max(1, this.list.length);
    this.page = Math.floor(first / this.count);
    const usedRows = Math.min(rows, Math.ceil(this.list.length / this.columns));
    const grid = `grid-template-columns: repeat(${this.columns}, ${cell}px); grid-auto-rows: ${height}px`;
    setAttributes(this.grid, { style: `${grid}; min-height: ${usedRows * (height + GAP) - GAP}px` });
  }
  /** @param {boolean} hasFocus */
  #updatePage(hasFocus) {
    const first = this.page * this.count;
    const onPage = this.list.slice(first, first + this.count);
    const key = [onPage.join(), first, this.list.length, this.size].join();
    if (this.#isChanged("page", [key, this.filter.topClasses, this.store.sheet])) {
      this.grid.replaceChildren(...onPage.map((index, i) => this.#thumbnail(index, first + i)));
    }
    const current = this.isChosen ? onPage.indexOf(this.store.index) : -1;
    const buttons = /** @type {HTMLElement[]} */ ([...this.grid.children]);
    buttons.forEach((button, i) => {
      const tabindex = i === Math.max(0, current) ? 0 : -1;
      setAttributes(button, { "aria-checked": String(i === current), tabindex });
    });
    if (hasFocus) buttons[Math.max(0, current)]?.focus();
  }
  /**
   * @param {number} index
   * @param {number} position in the filtered list
   */
  #thumbnail(index, position) {
    const name = this.#name(index);
    const isWrong = this.filter.isWrong(index);
    const mark = isWrong ? html("span", { class: "dst-wrong", "aria-hidden": "true" }, "≠") : null;
    const place = { "aria-posinset": position + 1, "aria-setsize": this.list.length };
    const attributes = { type: "button", role: "radio", "aria-label": name, title: name, ...place };
    const onclick = () => this.#pick(position);
    return html("button", { ...attributes, onclick }, this.store.thumbnail(index, this.size), mark);
  }
  /**
   * @param {Theme} theme
   * @param {number} position of the chosen example in the filtered list
   */
  #updateScatter(theme, position) {
    const { store } = this;
    const key = [this.current, this.label, this.width, theme.dark].join();
    if (this.#isChanged("scatter", [key, this.filter.topClasses, store.points])) {
      this.scatter.layOut(
        { points: store.points ?? [], labels: store.labels, classes: store.classes },
        this.list,
        theme,
        this.width,
      );
    }
    const description = this.#name(store.index, ["teacher", "student"]);
    this.scatter.mark(store.index, position, description, this.isChosen);
    const ofClass = this.select.value === "none" ? "" : `, true class ${this.label}`;
    const filter = `${FILTERS[this.current].toLowerCase()}${ofClass}`;
    const counts = `${store.points?.length} examples of ${store.classes.length} classes`;
    const text = `Scatter plot of ${counts}, ${this.list.length} of them highlighted (${filter}).`;
    this.scatter.figure.describe(this.isChosen ? `${text} Chosen: ${description}.` : text);
  }
  /**
   * Return whether the inputs of a part have changed since the last call.
   * @param {"page" | "scatter"} part
   * @param {unknown[]} inputs
   */
  #isChanged(part, inputs) {
    const last = this.inputs?.[part];
    this.inputs = { ...this.inputs, [part]: inputs };
    return !last || inputs.some((input, i) => input !== last[i]);
  }
  /**
   * @param {number} position of the chosen example in the filtered list
   * @param {boolean} hasImages
   */
  #updatePager(position, hasImages) {
    const total = this.list.length;
    const first = this.page * this.count;
    const last = Math.min(total, first + this.count);
    this.pager.hidden = total === 0 || !hasImages;
    setText(this.range, `${first + 1}–${last} of ${total}`);
    const isLastPage = [first === 0, last === total];
    const isEnd = [position === 0 || total === 0, position === total - 1 || total === 0];
    ["Previous", "Next"].forEach((name, i) => {
      this.pageButtons[i].hidden = !hasImages;
      setAttributes(this.pageButtons[i], { "aria-disabled": String(isLastPage[i]), "aria-label": `${name} page` });
      setAttributes(this.stepButtons[i], { "aria-disabled": String(isEnd[i]), "aria-label": `${name} example` });
    });
    this.legend.hidden = !hasImages || !this.filter.lists.student_wrong;
    setAttributes(this.random, { "aria-disabled": String(this.#others.length === 0) });
  }
  /**
   * @param {number} index
   * @param {string[]} [roles]
   */
  #name(index, roles = ["student"]) {
    const { classes, points } = this.store;
    const { labels, topClasses } = this.filter;
    const coordinate = (/** @type {number} */ value) => formatNumber(value).replace("-", "−");
    const place = points ? ` at (${points[index].map(coordinate).join(", ")})` : "";
    const predictions = roles
      .filter((role) => topClasses[role])
      .map((role) => `${role} predicts ${classes[topClasses[role]?.[index] ?? -1]}`);
    const list = predictions.length ? `; ${predictions.join(", ")}` : "";
    return `${this.store.title(index)}${place}, true class ${classes[labels[index]]}${list}`;
  }
  #table() {
    const { points, classes } = this.store;
    const { labels, topClasses } = this.filter;
    const roles = Object.keys(topClasses).filter((role) => topClasses[role]);
    return {
      columns: ["example", "x", "y", "true class", ...roles.map((role) => `${role} prediction`)],
      rows: this.list.map((i) => {
        const predictions = roles.map((role) => classes[topClasses[role]?.[i] ?? -1]);
        return [this.store.title(i), ...(points?.[i] ?? []), classes[labels[i]], ...predictions];
      }),
    };
  }

  // --- choosing -----------------------------------------------------------------------------------------------------

  /**
   * Choose an example. While a key is held down, only the last choice is sent to Python.
   * @param {number} position in the filtered list
   * @param {boolean} [isHeld]
   */
  #pick(position, isHeld = false) {
    const index = this.list[position];
    if (index === undefined) return;
    this.store.choose(index);
    clearTimeout(this.timer);
    if (isHeld) this.timer = setTimeout(() => this.sendState("image", index), KEY_DELAY);
    else this.sendState("image", index);
  }
  /**
   * @param {"show" | "class"} state
   * @param {string} value
   */
  #setFilter(state, value) {
    if (state === "class") this.label = value;
    else this.show = value;
    this.sendState(state, value);
    this.draw();
  }
  get #others() {
    return this.list.map((_, position) => position).filter((position) => this.list[position] !== this.store.index);
  }
  #chooseRandom() {
    const others = this.#others;
    this.#pick(others[Math.floor(Math.random() * others.length)]);
  }
  /** @param {number} step */
  #step(step) {
    const target = this.#target(step);
    if (this.list[target] !== this.store.index) this.#pick(target);
  }
  /** @param {number} step */
  #changePage(step) {
    this.page += step;
    this.draw();
  }
  /**
   * Return the position in the filtered list after a step.
   * @param {number} step
   * @param {number} [start] the target if the chosen example is filtered out
   */
  #target(step, start = 0) {
    const position = this.list.indexOf(this.store.index);
    return Math.max(0, Math.min(position < 0 ? start : position + step, this.list.length - 1));
  }
  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const row = this.store.points ? 1 : this.columns;
    const arrows = { ArrowLeft: -1, ArrowUp: -row, ArrowRight: 1, ArrowDown: row };
    const step = { ...arrows, Home: -Infinity, End: Infinity }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const target = this.#target(step, this.page * this.count);
    const position = this.list.indexOf(this.store.index);
    const isRowStep = row !== 1 && Math.abs(step) === row && position >= 0;
    if (isRowStep && target - position !== step) return; // there is no row above or below
    this.#pick(target, event.repeat);
  }
  destroy() {
    clearTimeout(this.timer);
    super.destroy();
  }
}

export default mount(Gallery, import.meta.url, [
  "../../shared/widgets/export.css",
  "../shared/figure.css",
  "gallery.css",
]);
