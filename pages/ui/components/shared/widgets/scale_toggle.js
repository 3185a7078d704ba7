// The two scales of probabilities, and the switch between them.

const FLOOR = 1e-6; // where the logarithmic one ends

// Where a probability stands on its axis, 0 … 1.
const shareOf = (p, log) => (log ? Math.max(0, 1 + Math.log10(Math.max(p, FLOOR)) / 6) : p);

// chosen(isLog) when it is turned; what: whose scale it is.
class ScaleToggle {
  log = false;

  constructor(chosen, what = "probabilities") {
    this.buttons = ["linear", "log"].map((name) => html("button", { type: "button", onclick: () => {
      this.set(name === "log");
      chosen(this.log);
    } }, name));
    this.node = html("div", { class: "dst-toggle", role: "group", "aria-label": `Scale of the ${what}` }, this.buttons);
    this.set(false);
  }
  set(log) {
    this.log = log;
    this.buttons.forEach((button, i) => attributes(button, { "aria-pressed": String(log === (i === 1)) }));
  }
}
