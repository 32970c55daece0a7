// Cards, amounts, and what was said of the nodes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { amountsIn, changedAmounts, wrongLine } from "../../web/js/amounts.js";
import { end, keep, recall, together } from "../../web/js/outcomes.js";
import { showToast } from "../../web/js/toast.js";
import { node, open } from "./frontend/graph.js";

test("a card takes the place of the earlier one about the same, and the oldest makes room", () => {
  const told = () => [...document.querySelectorAll(".lumenfall-toast p")].map((one) => one.textContent);
  showToast({ title: "a", text: "first", key: 'odd "key" \\' });
  showToast({ title: "a", text: "second", key: 'odd "key" \\' });
  assert.deepEqual(told(), ["second"]);
  for (const text of ["third", "fourth", "fifth"]) showToast({ title: "a", text });
  assert.deepEqual(told(), ["third", "fourth", "fifth"]);
});

test("the focus goes back to where it was when the card that has it is closed", () => {
  const elsewhere = document.body.appendChild(document.createElement("button"));
  elsewhere.focus();
  showToast({ title: "a", text: "sixth", actions: [{ text: "go", run: () => {} }] });
  const button = [...document.querySelectorAll(".lumenfall-toast footer button")].at(-1);
  button.focus();
  button.click();
  assert.equal(document.activeElement, elsewhere);
  elsewhere.remove();
});

test("amounts are read line by line, and a line that is none is named", () => {
  assert.deepEqual(amountsIn("fal/x 0.04\n  \nEUR: 1.1"), { "fal/x": 0.04, EUR: 1.1 });
  assert.equal(wrongLine("fal/x 0.04\nfal/y four"), "fal/y four");
  assert.deepEqual(changedAmounts({ a: 1, b: 2 }, { b: 3, c: 4 }), { a: null, b: 3, c: 4 });
});

test("what was said on the way does not hide what came of it, however late it is heard", () => {
  open({ 5: node("LumenfallGenerate") });
  const say = (kind, promptId) => keep("test", "5", { kind, text: kind, promptId });
  say("running", "a");
  say("done", "a");
  say("running", "a");
  assert.equal(recall("5").kind, "done");
  say("running", "b");
  assert.equal(recall("5").kind, "running");
  end("b");
  say("running", "b");
  assert.equal(recall("5").kind, "stopped");
});

test("a node that holds others says what all of them cost in its last run", () => {
  const told = (kind, promptId, at, costs) => ({ kind, text: kind, promptId, at, costs });
  const [first, second] = [told("done", "b", 3, { USD: 0.05 }), told("replayed", "b", 4, {})];
  assert.equal(together([told("error", "a", 1), first, second, undefined]).text, "$0.05");
  assert.equal(together([first, told("running", "b", 5)]).kind, "running");
  assert.equal(together([first, told("done", "b", 5)]).text, "node.unknownCost");
  assert.equal(together([undefined, told("error", undefined, 6), first]).kind, "error");
});
