// Filters of the gallery. They are computed once per snapshot, since top classes do not depend on the temperature.

import { argmax, softmaxRows } from "../../shared/math/softmax.js";

/** @typedef {import("../shared/store.js").TemperatureStore} TemperatureStore */
/** @typedef {Pick<TemperatureStore, "logits" | "splits" | "split" | "classes" | "labels">} Store */

/** @type {Record<string, string>} */
export const FILTERS = {
  all: "All",
  unsure: "Lowest teacher confidence",
  student_wrong: "Student errors",
  disagree: "Teacher and student disagree",
};

export class GalleryFilter {
  /** @type {unknown[]} */
  #inputs = [];
  /** @type {number[]} */
  labels = [];
  /** @type {Record<string, number[] | null>} */
  topClasses = {};
  /** Positions of the examples that each filter shows. @type {Record<string, number[]>} */
  lists = {};

  /**
   * Compute the lists if their inputs changed; return whether they did.
   * @param {Store} store
   */
  update(store) {
    const [teacher, student] = [store.logits("teacher"), store.logits("student")];
    const inputs = [teacher, student, store.splits[store.split]?.labels, store.classes];
    if (inputs.every((input, i) => input === this.#inputs[i])) return false;
    this.#inputs = inputs;
    this.labels = store.labels;
    const count = store.classes.length;
    const all = this.labels.map((_, i) => i);
    const topClasses = (/** @type {Float32Array | null} */ logits) =>
      logits && all.map((i) => argmax(logits, i * count, count));
    const [ofTeacher, ofStudent] = [topClasses(teacher), topClasses(student)];
    this.topClasses = { teacher: ofTeacher, student: ofStudent };
    this.lists = { all };
    if (teacher && ofTeacher) {
      const { logp } = softmaxRows(teacher, count, 1);
      const confidence = all.map((i) => logp[i * count + ofTeacher[i]]);
      const tenth = Math.max(1, Math.floor(all.length / 10));
      this.lists.unsure = [...all].sort((a, b) => confidence[a] - confidence[b]).slice(0, tenth);
    }
    if (student) this.lists.student_wrong = all.filter((i) => this.isWrong(i));
    if (ofTeacher && ofStudent) this.lists.disagree = all.filter((i) => ofTeacher[i] !== ofStudent[i]);
    return true;
  }

  /** @param {number} i */
  isWrong(i) {
    const { student } = this.topClasses;
    return Boolean(student && student[i] !== this.labels[i]);
  }
}
