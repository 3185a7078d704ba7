// Distributions of the four sides of one box, of teacher, student and baseline, at a temperature.

import { html, setAttributes, setText, svg } from "../shared/dom.js";
import { logSoftmax } from "../shared/math/softmax.js";
import { observeWidth } from "../shared/mount.js";
import { MirroredBars } from "../shared/widgets/mirrored_bars.js";

const NAMES = ["Left side", "Top side", "Right side", "Bottom side"];
const ROW = 17; // pixels, so that all bins of a side are in view together

export class BoxSides {
  #width = 0;

  /** @param {() => void} redraw called when the width has changed */
  constructor(redraw) {
    this.panels = NAMES.map((name) => {
      const chart = svg("svg");
      const note = html("p", { class: "dst-muted" });
      return {
        name,
        chart,
        note,
        bars: new MirroredBars(chart),
        node: html("div", {}, html("h3", {}, name), note, html("div", { class: "dst-rows" }, chart)),
      };
    });
    this.node = html(
      "div",
      { class: "dst-box-sides" },
      this.panels.map((panel) => panel.node),
    );
    this.stopObserving = observeWidth(this.panels[0].node, (width) => {
      this.#width = width;
      redraw();
    });
  }

  /**
   * Draw the sides, and return the mean distance of each in pixels by role.
   * @param {ReturnType<typeof import("../shared/theme.js").readNetworkTheme>} theme
   * @param {Record<string, number[][]>} sides logits by role and side
   * @param {string[]} roles
   * @param {number} temperature
   * @param {number} pixels between two bins
   */
  draw(theme, sides, roles, temperature, pixels) {
    if (!this.#width) return;
    this.panels.forEach(({ name, chart, note, bars }, side) => {
      const logits = Object.fromEntries(roles.map((role) => [role, sides[role][side]]));
      const classes = logits[roles[0]].map((_, bin) => `${(bin * pixels).toFixed(1)} px`);
      bars.draw(theme, this.#width, { classes, roles, logits, label: null, temperature, log: false, row: ROW });
      const spread = roles.map((role) => {
        const p = logSoftmax(logits[role], temperature).map(Math.exp);
        const mean = p.reduce((total, each, bin) => total + each * bin * pixels, 0);
        const variance = p.reduce((total, each, bin) => total + each * (bin * pixels - mean) ** 2, 0);
        return `${theme.role(role).name} ${mean.toFixed(1)} ± ${Math.sqrt(variance).toFixed(1)} px`;
      });
      setText(note, spread.join(", "));
      setAttributes(chart, { role: "img", "aria-label": `${name}, distance from the cell: ${spread.join(", ")}.` });
    });
  }

  destroy() {
    this.stopObserving();
  }
}
