// Decision surfaces side by side. Training is faster than watching, so arriving frames are played back at a calm pace.
//
// Payload: roles, titles {role}, captions {role}, classes [name], extent [x0, x1, y0, y1], points {role: [{x, y, label,
// given}]}, live, autoplay, empty. Frames: {moment, size, probabilities: {role: base64}} and, without a scrubber on the
// page, the moment's description.

const MOST_ABREAST = 4;
const BEAT = 50; // milliseconds per frame: at most twenty a second
const PATIENCE = 40; // beats after which a playback has caught up, however much has arrived

class Surfaces {
  #feed = new Feed();
  #frames = [];
  #byRole = {};
  #head = -1; // the frame the playback has come to
  #timer = 0;
  #shape = "";
  #width = 0;

  constructor(root) {
    root.classList.add("dst-surfaces");
    this.root = root;
    this.draw = redrawing(() => this.#draw());
    this.empty = html("p", { class: "dst-empty" });
    this.figures = html("div", { class: "dst-figures" });
    this.key = html("p", { class: "dst-key" });
    this.tools = html("div", { class: "dst-tools" }, toolButton("PNG", "Save these surfaces as PNG", () => this.#save()));
    root.append(this.empty, this.figures, this.key, this.tools);
    this.moments = new Moments(this.draw);
    this.unwatch = watchWidth(root, (width) => {
      this.#width = width;
      this.draw();
    });
  }

  update(data, { setTriggerValue }) {
    const { cleared, fresh } = this.#feed.take(data, setTriggerValue);
    const points = this.#feed.keep(data, "points", {});
    this.spec = { roles: [], classes: [], titles: {}, captions: {}, extent: [-1, 1, -1, 1], live: true, ...data, points };
    if (cleared) {
      this.#stop();
      this.#frames = [];
      this.#byRole = {};
      this.#head = -1;
    }
    this.moments.join(data.run);
    for (const frame of fresh) this.#add(frame);
    // A finished run shows its end at once; one that is being watched moves there.
    if (reducedMotion() || (this.#head < 0 && !this.spec.live && !this.spec.autoplay)) this.#arrive();
    else if (this.#head < this.#frames.length - 1) this.#play();
    this.draw();
  }

  #add({ moment, size, probabilities, ...description }) {
    this.#frames.push(moment);
    for (const [role, encoded] of Object.entries(probabilities)) (this.#byRole[role] ??= []).push({ moment, size, encoded });
    if (Object.keys(description).length) this.moments.describe(moment, [description]);
  }

  // --- playback ---------------------------------------------------------------------------------------------------

  #play() {
    if (this.#timer) return;
    const beat = () => {
      const left = this.#frames.length - 1 - this.#head;
      this.#head += Math.max(1, Math.ceil(left / PATIENCE));
      if (this.#head >= this.#frames.length - 1) return this.#arrive();
      this.moments.follow(this.#frames[this.#head]);
      this.draw();
    };
    this.#timer = setInterval(beat, BEAT);
    beat();
  }
  #stop() {
    clearInterval(this.#timer);
    this.#timer = 0;
    this.moments.follow(null);
  }
  #arrive() {
    this.#head = this.#frames.length - 1;
    this.#stop();
    this.draw();
  }

  get #shown() {
    return this.moments.shown ?? (this.#timer ? this.#frames[this.#head] : null);
  }

  // --- drawing ------------------------------------------------------------------------------------------------------

  #draw() {
    const blank = this.spec.roles.length === 0 || (this.#frames.length === 0 && !Object.values(this.spec.points).some((list) => list.length));
    this.empty.hidden = !blank;
    this.figures.hidden = this.key.hidden = this.tools.hidden = blank;
    write(this.empty, this.spec.empty ?? "No network has been trained yet.");
    if (blank || !this.#width) return;
    const theme = readTheme(this.root);
    this.#build(theme);
    this.spec.roles.forEach((role, i) => this.#figure(this.plates[i], role, theme));
  }

  #build(theme) {
    const { roles, titles, captions, classes, points } = this.spec;
    const wrong = Object.values(points).some((list) => list.some(({ label, given = label }) => given !== label));
    const shape = JSON.stringify([roles, titles, captions, classes, wrong, theme.dark, this.#frames.length > 0]);
    if (shape === this.#shape) return;
    this.#shape = shape;
    this.plates = this.spec.roles.map((role) => {
      const { glyph, colour, name } = theme.role(role);
      const plate = {
        canvas: html("canvas", { role: "img" }),
        accuracy: html("span", { class: "dst-accuracy" }),
        split: html("small", { class: "dst-split" }, "validation"),
        when: html("span", { class: "dst-when" }),
      };
      plate.node = html(
        "figure",
        {},
        html("div", { class: "dst-plate-head" }, html("h3", {}, html("i", { style: `color: ${colour}` }, glyph), this.spec.titles[role] ?? name), plate.accuracy, plate.split),
        plate.canvas,
        html("figcaption", {}, html("span", {}, this.spec.captions[role] ?? ""), plate.when),
      );
      return plate;
    });
    this.figures.replaceChildren(...this.plates.map(({ node }) => node));
    this.figures.style.setProperty("--count", Math.min(this.plates.length, MOST_ABREAST));
    this.#legend(theme, wrong);
  }

  #legend(theme, wrong) {
    const glyph = (k) => PALETTE.classGlyphs[k % PALETTE.classGlyphs.length];
    this.key.replaceChildren(
      ...this.spec.classes.map((name, k) => html("span", {}, html("i", { style: `color: ${theme.classColour(k)}` }, glyph(k)), name)),
      ...(wrong ? [html("span", {}, html("i", {}, "✕"), "wrong label")] : []),
      ...(this.#frames.length ? [html("span", {}, html("i", { class: "dst-line" }), "decision boundary")] : []),
    );
  }

  #figure(plate, role, theme) {
    const frame = latestAt(this.#byRole[role] ?? [], this.#shown);
    const [x0, x1, y0, y1] = this.spec.extent;
    const width = plate.node.clientWidth;
    const height = Math.round((width * (y1 - y0)) / (x1 - x0));
    const scale = devicePixelRatio || 1;
    const state = JSON.stringify([frame?.moment, width, height, scale, theme.dark, this.#feed.run, this.spec.extent]);
    if (plate.state !== state || plate.points !== this.#pointsKey(role)) {
      plate.state = state;
      plate.points = this.#pointsKey(role);
      this.#paint(plate.canvas, role, frame, theme, width, height, scale);
    }
    this.#caption(plate, role, frame);
  }
  #pointsKey(role) {
    const list = this.spec.points[role] ?? [];
    return `${list.length} ${list[0]?.x} ${list.at(-1)?.x}`;
  }

  #paint(canvas, role, frame, theme, width, height, scale) {
    canvas.width = width * scale;
    canvas.height = height * scale;
    canvas.style.height = `${height}px`;
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    const colours = this.spec.classes.map((_, k) => rgb(theme.classColour(k)));
    if (frame) {
      const field = new Field(frame.encoded, frame.size, this.spec.classes.length);
      context.imageSmoothingQuality = "high";
      // The outermost grid points lie on the edges, so the outer halves of their pixels fall outside.
      const [dx, dy] = [width / (frame.size - 1), height / (frame.size - 1)];
      const picture = field.picture(colours, rgb(theme.background), theme.dark ? 0.42 : 0.4);
      context.drawImage(picture, -dx / 2, -dy / 2, width + dx, height + dy);
      context.beginPath();
      for (const [ax, ay, bx, by] of field.boundary()) {
        context.moveTo(ax * dx, height - ay * dy);
        context.lineTo(bx * dx, height - by * dy);
      }
      Object.assign(context, { strokeStyle: theme.ink, lineWidth: 1.5, lineCap: "round" });
      context.stroke();
    }
    this.#paintPoints(context, role, theme, width, height);
  }

  #paintPoints(context, role, theme, width, height) {
    const list = this.spec.points[role] ?? [];
    const [x0, x1, y0, y1] = this.spec.extent;
    const radius = Math.max(1.8, Math.min(4.2, width / 90, 60 / Math.sqrt(list.length)));
    for (const { x, y, label, given = label } of list) {
      const px = ((x - x0) / (x1 - x0)) * width;
      const py = height - ((y - y0) / (y1 - y0)) * height;
      const shape = new Path2D(`M${px},${py}${marker(given, radius)}`);
      Object.assign(context, { fillStyle: theme.classColour(given), strokeStyle: theme.ink, lineWidth: radius < 2.6 ? 0.35 : 0.8 });
      context.fill(shape);
      context.stroke(shape);
      if (given === label) continue;
      const arm = radius * 1.7;
      context.beginPath();
      context.moveTo(px - arm, py - arm);
      context.lineTo(px + arm, py + arm);
      context.moveTo(px + arm, py - arm);
      context.lineTo(px - arm, py + arm);
      context.lineWidth = 1.25;
      context.stroke();
    }
  }

  // The network's own last moment, not the run's: a teacher that has finished keeps its last epoch.
  #caption(plate, role, frame) {
    const { label, accuracy } = frame ? this.moments.at(frame.moment) : {};
    write(plate.when, frame ? (label ?? "") : this.spec.live ? "not trained yet" : "");
    write(plate.accuracy, accuracy?.[role] === undefined ? "" : percent(accuracy[role]));
    plate.split.hidden = !plate.accuracy.textContent;
    const title = this.spec.titles[role] ?? PALETTE.roles[role]?.name ?? role;
    const numbers = [label, accuracy?.[role] === undefined ? null : `accuracy ${percent(accuracy[role])}`].filter(Boolean);
    attributes(plate.canvas, { "aria-label": `${title}: decision surface over the plane. ${numbers.join(", ") || "Not trained yet"}.` });
  }

  // All of them in a row, each under its title.
  #save() {
    const [gap, head] = [16, 28];
    const plates = this.plates.map((plate) => ({ ...plate, width: plate.canvas.clientWidth, height: plate.canvas.clientHeight }));
    const width = plates.reduce((sum, plate) => sum + plate.width + gap, gap);
    const height = Math.max(...plates.map((plate) => plate.height)) + head + gap;
    const whole = html("canvas", { width: SHARPNESS * width, height: SHARPNESS * height });
    const context = whole.getContext("2d");
    const theme = readTheme(this.root);
    context.scale(SHARPNESS, SHARPNESS);
    Object.assign(context, { fillStyle: theme.background });
    context.fillRect(0, 0, width, height);
    Object.assign(context, { fillStyle: theme.ink, font: `600 13px ${getComputedStyle(this.root).fontFamily}`, textBaseline: "middle" });
    let left = gap;
    for (const plate of plates) {
      const said = [[...plate.node.querySelector("h3").childNodes].map((part) => part.textContent).join(" "), plate.accuracy.textContent, plate.when.textContent].filter(Boolean).join(" · ");
      context.fillText(said, left, head / 2, plate.width);
      context.drawImage(plate.canvas, left, head, plate.width, plate.height);
      left += plate.width + gap;
    }
    whole.toBlob((blob) => saveFile("surfaces", "png", blob));
  }

  destroy() {
    clearInterval(this.#timer);
    this.draw.cancel();
    this.unwatch();
    this.moments.close();
  }
}

export default mounting(Surfaces);
