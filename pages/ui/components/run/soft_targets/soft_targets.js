// Soft targets of a few followed examples while a run trains: mirrored bars under a temperature handle.
//
// Payload: classes [name], temperature, temperatures [lowest, highest], images [{src, x, y, label, title}], image (the
// one chosen at first), roles, cast {role: the network that plays it}, names {role}, empty. Frames: {moment, logits: {role: [[K numbers] for each image]}}.
// Sets the states temperature and image.

const ORDER = ["teacher", "student", "baseline"];

class Bars {
  #feed = new Feed();
  #frames = {};
  #width = 0;

  constructor(root) {
    root.classList.add("dst-bars");
    this.root = root;
    this.draw = redrawing(() => this.#draw(), "bars");
    this.empty = html("p", { class: "dst-empty", hidden: true });
    this.examples = new Examples((i) => {
      this.draw();
      this.setStateValue("image", i);
    });
    this.title = html("span", { class: "dst-title" });
    this.scale = new ScaleToggle(this.draw);
    this.head = html("div", { class: "dst-head" }, this.title, this.scale.node);
    this.chart = svg("svg", { role: "img" });
    this.mirror = new Mirror(this.chart);
    this.scroll = html("div", { class: "dst-rows" }, this.chart);
    const drawn = () => standalone(this.chart);
    this.tools = html("div", { class: "dst-tools" },
      toolButton("SVG", "Save these bars as SVG", () => saveDrawing("soft-labels", drawn())),
      toolButton("PNG", "Save these bars as PNG", () => savePicture("soft-labels", drawn(), this.chart.getBoundingClientRect())));
    this.handle = new TemperatureHandle({ moved: this.draw, chosen: (value) => this.setStateValue("temperature", value) });
    this.readouts = html("div", { class: "dst-readouts" });
    this.body = html("div", {}, this.examples.node, this.head, this.scroll, this.tools, this.handle.node, this.readouts);
    root.append(this.empty, this.body);
    this.moments = new Moments(this.draw);
    this.unwatch = watchWidth(this.scroll, (width) => {
      this.#width = width;
      this.draw();
    });
  }

  update(data, { setStateValue, setTriggerValue }) {
    const { cleared, fresh } = this.#feed.take(data, setTriggerValue);
    const images = this.#feed.keep(data, "images", []);
    this.spec = { classes: [], ...data, images, roles: ORDER.filter((role) => (data.roles ?? ORDER).includes(role)) };
    this.setStateValue = setStateValue;
    if (cleared) this.#frames = {};
    this.moments.join(data.run);
    for (const { moment, logits } of fresh) {
      for (const [role, values] of Object.entries(logits)) (this.#frames[role] ??= []).push({ moment, values });
    }
    this.examples.update(images, data.image);
    this.handle.update(data.temperature ?? 4, data.temperatures ?? [0.5, 20]);
    this.draw();
  }

  logits(role) {
    return latestAt(this.#frames[this.spec.cast?.[role] ?? role] ?? [], this.moments.shown)?.values[this.examples.chosen] ?? null;
  }

  #draw() {
    const { classes, images, roles } = this.spec;
    const logits = Object.fromEntries(roles.map((role) => [role, this.logits(role)]).filter(([, values]) => values));
    const blank = images.length === 0 || !Object.values(this.#frames).some((list) => list.length);
    this.empty.hidden = !blank;
    this.body.hidden = blank;
    write(this.empty, this.spec.empty ?? "No predictions yet.");
    if (blank || !this.#width) return;
    const theme = readTheme(this.root);
    const { names = {}, cast = {} } = this.spec;
    const usual = theme.role; // whoever plays a part keeps the look that it has everywhere
    theme.role = (part) => ({ ...usual(cast[part] ?? part), name: names[part] ?? usual(part).name });
    const image = images[this.examples.chosen];
    write(this.title, image.title ?? "");
    const temperature = this.handle.value;
    const now = this.mirror.draw(theme, this.#width, { classes, roles, logits, label: image.label, temperature, log: this.scale.log });
    this.scroll.tabIndex = this.mirror.height > 560 ? 0 : -1;
    this.#say(now, theme, image);
  }

  #say(now, theme, image) {
    const { classes, names = {} } = this.spec;
    const spoken = inOneBreath(now, classes);
    this.handle.say(`Temperature ${this.handle.text}, ${spoken}`);
    attributes(this.chart, {
      "aria-label": `Probabilities at temperature ${this.handle.text} for ${image.title ?? "the example"}, labelled ${classes[image.label] ?? "unknown"}: ${spoken}.`,
    });
    const terms = Object.entries(now).map(([role, logp]) => term(theme.role(role).name, entropy(logp).toFixed(2), theme.role(role)));
    const distances = ["student", "baseline"]
      .filter((role) => now.teacher && now[role])
      .map((role) => term([names.teacher ?? "teacher", names[role] ?? role].join(" ‖ "), digits(divergence(now.teacher, now[role]))));
    this.readouts.replaceChildren(...[readout("Entropy, nats", terms), readout("KL, nats", distances)].filter(Boolean));
  }

  destroy() {
    this.draw.cancel();
    this.unwatch();
    this.moments.close();
    this.handle.destroy();
  }
}

export default mounting(Bars);
