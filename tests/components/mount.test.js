import assert from "node:assert/strict";
import { mock, test } from "node:test";

/** An element of which a component uses no more than this. */
class FakeElement {
  /** @type {any[]} */
  children = [];
  isConnected = true;
  setAttribute() {}
  append(/** @type {any[]} */ ...children) {
    this.children.push(...children);
  }
  remove() {
    for (const node of [this, ...this.children]) if (node instanceof FakeElement) node.isConnected = false;
  }
}

/** @type {any[]} */
const events = [];
class View {
  update(/** @type {any} */ data) {
    events.push(data);
  }
  destroy() {
    events.push("destroyed");
  }
}

test("a view outlives updates that were overtaken, in whatever order, and goes with its element", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  Object.assign(globalThis, { window: globalThis, document: { createElement: () => new FakeElement() } });
  const { mount } = await import("../../pages/ui/components/shared/mount.js");
  mock.method(globalThis, "fetch", async () => ({ ok: true, text: async () => "" }));
  const render = mount(/** @type {any} */ (View), "http://127.0.0.1/curves.js", []);
  const parentElement = /** @type {any} */ (new FakeElement());
  const update = (/** @type {number} */ data) => render(/** @type {any} */ ({ parentElement, data }));

  const [first, root] = [await update(1), parentElement.children.at(-1)];
  first(); // the next update is on its way
  mock.timers.tick(1);
  const second = await update(2);
  assert.deepEqual(events, [1, 2]);
  assert.equal(parentElement.children.at(-1), root);
  parentElement.remove();
  second();
  second();
  mock.timers.tick(1);
  assert.deepEqual(events, [1, 2, "destroyed"]);
});
