import assert from "node:assert/strict";
import { test } from "node:test";
import { insertNumbers, numbersAt, numbersIn, skeleton } from "../../pages/ui/components/text/formula_numbers.js";

const LATEX = "0.1 \\cdot \\mathrm{CE} + 0.9 \\cdot 4^2 \\cdot \\mathrm{KL}_{T=4}";
const SLIDERS = [
  { label: "T", low: 1, step: 0.5, numbers: { 2: ["1", "1.5", "2"], 4: ["1", "1.5", "2"] } },
  { label: "α", low: 0, step: 0.25, numbers: { 0: [null, "0.75", "0.5"], 1: [null, "0.25", "0.5"] } },
];

test("both sliders change their numbers of a formula and no other", () => {
  const numbers = numbersAt(LATEX, SLIDERS, [1.5, 0.25]) ?? [];
  assert.equal(
    insertNumbers(LATEX, numbers),
    "0.75 \\cdot \\mathrm{CE} + 0.25 \\cdot 1.5^2 \\cdot \\mathrm{KL}_{T=1.5}",
  );
});

test("a slider that is not on the page changes nothing", () => {
  assert.deepEqual(numbersAt(LATEX, SLIDERS, [Number.NaN, 0.5]), ["0.5", "0.5", "4", "2", "4"]);
});

test("a formula that loses a term is left to the server", () => {
  assert.equal(numbersAt(LATEX, SLIDERS, [2, 0]), null);
});

test("formulas with different numbers have the same skeleton, and other terms another", () => {
  assert.equal(skeleton(LATEX), skeleton(LATEX.replaceAll("4", "1.25")));
  assert.notEqual(skeleton(LATEX), skeleton(LATEX.replace("0.1 \\cdot ", "")));
  assert.deepEqual(numbersIn("T=12.5 and 3."), ["12.5", "3"]);
});
