import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { FrameFeed } from "../../pages/ui/components/shared/state/frame_feed.js";
import { lastUpTo, Playhead } from "../../pages/ui/components/shared/state/playhead.js";
import { UpdateFilter } from "../../pages/ui/components/shared/state/update_filter.js";
import { StateThrottle } from "../../pages/ui/components/temperature/drawing/throttle.js";

let time = 0;
/** Advance clock and timers. */
function pass(/** @type {number} */ milliseconds) {
  for (let i = 0; i < milliseconds; i += 10) {
    time += 10;
    mock.timers.tick(10);
  }
}

beforeEach(() => {
  time = 0;
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  mock.method(performance, "now", () => time);
});
afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

test("a value sent from here is not new when it comes back; any other value is", () => {
  const filter = new UpdateFilter();
  assert.equal(filter.isNew(1), true);
  assert.equal(filter.isNew(1), false);
  filter.recordSent(2);
  filter.recordSent(3);
  assert.equal(filter.isNew(2), false);
  assert.equal(filter.isNew(3), false);
  assert.equal(filter.isNew(2), true); // changed back by someone else
});

test("after ten seconds a sent value counts as new again", () => {
  const filter = new UpdateFilter();
  filter.recordSent(5);
  pass(10_010);
  assert.equal(filter.isNew(5), true);
});

test("frames are taken once, whatever overlaps, and a new run clears them", () => {
  const feed = new FrameFeed();
  const never = () => assert.fail("no gap");
  assert.deepEqual(feed.receive({ run: "a", from: 0, frames: [1, 2] }, never), {
    isNewRun: true,
    start: 0,
    frames: [1, 2],
  });
  assert.deepEqual(feed.receive({ run: "a", from: 1, frames: [2, 3] }, never).frames, [3]);
  assert.deepEqual(feed.receive({ run: "a", from: 0, frames: [1, 2, 3] }, never).frames, []);
  assert.deepEqual(feed.receive({ run: "b", from: 0, frames: [9] }, never), { isNewRun: true, start: 0, frames: [9] });
});

test("a gap is reported until frames come, and fields sent once outlive the payload", () => {
  /** @type {number[]} */
  const reports = [];
  const report = (/** @type {string} */ _, /** @type {number} */ count) => reports.push(count);
  const feed = new FrameFeed();
  feed.receive({ run: "a", from: 0, frames: [1] }, report);
  assert.equal(feed.retained({ run: "a", images: "all" }, "images"), "all");
  feed.receive({ run: "a", from: 5, frames: [6] }, report);
  pass(3_100);
  assert.deepEqual(reports, [1, 1, 1]);
  feed.receive({ run: "a", from: 1, frames: [2, 3] }, report);
  pass(10_000);
  assert.equal(reports.length, 3);
  assert.equal(feed.retained({ run: "a" }, "images"), "all");
  feed.receive({ run: "b", from: 0, frames: [] }, report);
  assert.equal(feed.retained({ run: "b" }, "images", "none"), "none");
});

test("components of a run share the playhead; those of another run do not", () => {
  let changes = 0;
  const [first, second, other] = [0, 1, 2].map((i) => new Playhead(() => (changes += i === 1 ? 1 : 0)));
  first.join("run");
  second.join("run");
  other.join("another run");
  first.describe(0, [{ label: "a" }, { label: "b" }]);
  second.describe(1, [{ x: 7 }]);
  assert.deepEqual(first.at(1), { label: "b", x: 7 });
  assert.deepEqual([second.evaluation, second.index, other.index], [null, 1, -1]);
  first.follow(0);
  assert.equal(second.evaluation, 0);
  second.follow(1); // only one playback leads
  assert.equal(first.evaluation, 0);
  second.choose(1); // the user's choice goes before it
  assert.equal(first.evaluation, 1);
  first.leave();
  assert.equal(second.evaluation, 1);
  assert.ok(changes >= 4);
  second.leave();
  first.join("run");
  assert.deepEqual(first.evaluations, []); // the last component has left
});

test("the last entry up to an evaluation is that of a search through all", () => {
  const entries = [0, 2, 2, 5, 9].map((evaluation, i) => ({ evaluation, i }));
  for (let evaluation = -1; evaluation < 12; evaluation += 1) {
    assert.deepEqual(lastUpTo(entries, evaluation), entries.filter((entry) => entry.evaluation <= evaluation).at(-1));
  }
  assert.deepEqual(lastUpTo(entries, null), entries.at(-1));
});

test("a value is sent at most every 120 ms, and not before the last is answered or a second is over", () => {
  /** @type {[number, string][]} */
  const sent = [];
  const throttle = new StateThrottle((value) => sent.push([time, value]));
  time = 1_000;
  throttle.request("a");
  throttle.request("b");
  pass(50);
  throttle.request("c"); // b is outdated before it is sent
  assert.equal(throttle.isNew("a"), false);
  pass(1_200);
  assert.deepEqual(
    sent.map(([, value]) => value),
    ["a", "c"],
  );
  assert.ok(sent[1][0] - sent[0][0] >= 120 && sent[1][0] - sent[0][0] <= 140);
});

test("an unanswered value is followed by the next after a second", () => {
  /** @type {[number, string][]} */
  const sent = [];
  const throttle = new StateThrottle((value) => sent.push([time, value]));
  throttle.request("a");
  throttle.request("b");
  pass(2_000);
  assert.deepEqual(sent, [
    [0, "a"],
    [1_000, "b"],
  ]);
});

test("the end of a stroke is sent at once, and new values from Python are told from repeated ones", () => {
  /** @type {string[]} */
  const sent = [];
  const throttle = new StateThrottle((value) => sent.push(value));
  throttle.request("a");
  throttle.request("b", true);
  assert.deepEqual(sent, ["a", "b"]);
  assert.equal(throttle.isNew("a"), false);
  assert.equal(throttle.isNew("b"), false);
  assert.equal(throttle.isNew("z"), true);
  throttle.accept("z");
  throttle.request("z");
  assert.deepEqual(sent, ["a", "b"]); // Python has it
});
