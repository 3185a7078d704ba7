// Which examples a filter shows. Top classes do not depend on the temperature: worked out once per moment.

const SHOWS = { all: "All", unsure: "Teacher least sure", student_wrong: "Student wrong", disagree: "Teacher and student disagree" };

class Selection {
  #inputs = [];

  // Returns whether anything changed.
  update(bench) {
    const [teacher, student] = [bench.logits("teacher"), bench.logits("student")];
    const inputs = [teacher, student, bench.splits[bench.shown]?.labels, bench.classes];
    if (inputs.every((input, i) => input === this.#inputs[i])) return false;
    this.#inputs = inputs;
    this.labels = bench.labels;
    const count = bench.classes.length;
    const all = this.labels.map((_, i) => i);
    const tops = (logits) => logits && all.map((i) => topOf(logits, i * count, count));
    this.says = { teacher: tops(teacher), student: tops(student) };
    this.lists = { all };
    if (teacher) {
      const { logp } = softenRows(teacher, count, 1);
      const sure = all.map((i) => logp[i * count + this.says.teacher[i]]);
      this.lists.unsure = [...all].sort((a, b) => sure[a] - sure[b]).slice(0, Math.max(1, Math.floor(all.length / 10)));
    }
    if (student) this.lists.student_wrong = all.filter((i) => this.isWrong(i));
    if (teacher && student) this.lists.disagree = all.filter((i) => this.says.teacher[i] !== this.says.student[i]);
    return true;
  }
  isWrong(i) {
    return Boolean(this.says.student) && this.says.student[i] !== this.labels[i];
  }
}
