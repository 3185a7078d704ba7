import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import palette from "../../pages/ui/components/shared/palette.js";

const ROOT = fileURLToPath(new URL("../../pages/ui/components/", import.meta.url));
const FILES = readdirSync(ROOT, { recursive: true, encoding: "utf8" }).filter((name) => /\.(js|css)$/.test(name));
const SOURCES = FILES.filter((name) => name.endsWith(".js")).map((name) => ({
  name,
  text: readFileSync(join(ROOT, name), "utf8"),
}));
const COMPONENTS = SOURCES.filter(({ text }) => text.includes("export default mount("));

/** Addresses of the sheets or modules that a module names, relative to itself. */
function references(/** @type {{name: string, text: string}} */ { name, text }, /** @type {RegExp} */ pattern) {
  return [...text.matchAll(pattern)].map((match) => join(dirname(name), match[1]));
}

test("every imported module and every named style sheet exists, and no style sheet is forgotten", () => {
  const modules = SOURCES.flatMap((source) => references(source, /from "(\.[^"]+)"/g));
  const sheets = SOURCES.flatMap((source) => references(source, /"([\w./]+\.css)"/g));
  for (const name of [...modules, ...sheets]) assert.ok(existsSync(join(ROOT, name)), name);
  assert.deepEqual([...new Set(sheets)].sort(), FILES.filter((name) => name.endsWith(".css")).sort());
});

test("no two components have one name", () => {
  const names = COMPONENTS.map(({ name }) => name.split("/").at(-1));
  assert.ok(names.length >= 15);
  assert.equal(new Set(names).size, names.length);
});

test("every role and theme has its colours", () => {
  const colours = [
    ...Object.values(palette.roles).flatMap(({ light, dark }) => [light, dark]),
    ...palette.classes.light,
    ...palette.sequential,
  ];
  for (const colour of [...colours, ...palette.classes.dark]) assert.match(colour, /^#[0-9A-F]{6}$/);
});

test("an element becomes an image and gets its name at once, so that no reader meets one without", () => {
  for (const { name, text } of SOURCES) {
    for (const [attributes] of text.matchAll(/\{[^{};]*role: "img"[^;]*;/g)) {
      assert.match(attributes, /"aria-label"/, `${name}: ${attributes}`);
    }
  }
});
