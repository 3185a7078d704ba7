import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  formatNumber,
  formatPercent,
  formatPoints,
  formatTemperature,
  superscript,
} from "../../pages/ui/components/shared/format.js";
import { breakLabel, cutText, shorten, withoutBreaks, wrapText } from "../../pages/ui/components/shared/text.js";

// A font in which every character is 10 pixels wide.
const context = { font: "", measureText: (/** @type {string} */ text) => ({ width: 10 * text.length }) };
Object.assign(globalThis, { document: { createElement: () => ({ getContext: () => context }) } });

test("numbers have three significant digits from a thousandth on, thousands a comma, small ones a power of ten", () => {
  const texts = [0, 0.0312, 83.2, 999.4, 999.6, 1234.5, 0.00000412, -0.5, Number.NaN].map(formatNumber);
  assert.deepEqual(texts, ["0", "0.0312", "83.2", "999", "1,000", "1,235", "4.1×10⁻⁶", "-0.500", "–"]);
});

test("percentages and points are written as in Python", () => {
  const cases = JSON.parse(readFileSync(new URL("number_formats.json", import.meta.url), "utf8"));
  for (const [fraction, decimals, text] of cases.percent) assert.equal(formatPercent(fraction, decimals), text);
  for (const [difference, decimals, text] of cases.points) assert.equal(formatPoints(difference, decimals), text);
});

test("exponents are raised and temperatures lose zeros", () => {
  assert.equal(superscript(-10), "⁻¹⁰");
  assert.deepEqual([4, 2.5, 1.2345].map(formatTemperature), ["4", "2.5", "1.23"]);
});

test("a name is written on one line, on two, or shortened", () => {
  assert.deepEqual(breakLabel("cat", 100, "serif"), ["cat"]);
  assert.deepEqual(breakLabel("very small white cat", 100, "serif"), ["very small", "white cat"]);
  assert.deepEqual(breakLabel("hippopotamus", 60, "serif"), ["hippo…"]);
});

test("a shortened name is the longest beginning that fits", () => {
  for (let length = 2; length < 12; length += 1) {
    assert.equal(shorten("hippopotamus", (text) => text.length <= length).length, length);
  }
});

test("wrapped lines fit, keep all words in order, and end in an ellipsis where lines are missing", () => {
  const text = "the quick brown fox jumps over the lazy dog";
  const lines = wrapText(text, "serif", 110, 9);
  assert.equal(lines.join(" "), text);
  assert.ok(lines.every((line) => line.length <= 11));
  const cut = wrapText(text, "serif", 110, 2);
  assert.equal(cut.length, 2);
  assert.ok(cut[1].endsWith("…") && cut.every((line) => line.length <= 11));
});

test("a text that is cut ends in one ellipsis and fits", () => {
  assert.equal(cutText("short", "serif", 50), "short");
  assert.equal(cutText("a longer text", "serif", 80), "a longe…");
});

test("sizes stay on one line", () => {
  assert.deepEqual(wrapText(withoutBreaks("conv 3 × 3, 8 → 16"), "serif", 90, 4), [
    "conv",
    "3\u00a0×\u00a03,",
    "8\u00a0→\u00a016",
  ]);
});
