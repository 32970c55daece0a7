// Where the value of an input comes from, and which nodes would run.

import assert from "node:assert/strict";
import { test } from "node:test";
import { activeNodes, isSettable, nodeAt, setWidget, valueOf } from "../../web/js/host/graph.js";
import { nature, stateOf } from "../../web/js/host/states.js";
import { graphOf, node, open, subgraphNode, wire } from "./frontend/graph.js";

const generate = (model = "own") => node("LumenfallGenerate", { model, n: 1 });

test("a value is the widget's own, or that of the primitive it is wired to, through reroutes", () => {
  const [own, wired] = [generate(), generate()];
  open({ 1: own, 2: wired, 3: node("PrimitiveNode", { value: 4 }), 4: node("Reroute", {}, [""]) });
  wire(wired, "n", 4);
  wire(nodeAt(4), "", 3);
  assert.equal(valueOf(own, "n"), 1);
  assert.equal(valueOf(wired, "n"), 4);
  setWidget(wired, "n", 7);
  assert.equal(nodeAt(3).widgets[0].value, 7);
  assert.equal(wired.widgets[1].value, 1);
});

test("what only a run can tell is not known", () => {
  const wired = generate();
  open({ 1: wired, 2: node("SomeoneElse", { value: 4 }), 3: node("PrimitiveInt", { value: 4 }) });
  wire(wired, "n", 2);
  assert.equal(valueOf(wired, "n"), undefined);
  assert.equal(isSettable(wired, "n"), false);
  wire(wired, "n", 3);
  assert.equal(valueOf(wired, "n"), 4);
  nodeAt(3).mode = 4;
  assert.equal(valueOf(wired, "n"), undefined);
});

test("a promoted value is that of the subgraph's node, at every depth", () => {
  const inner = generate();
  const middle = subgraphNode(graphOf({ 1: inner }, ["n", "which"]), { n: 2, which: "stale" });
  wire(inner, "model", -10, 1);
  const outer = subgraphNode(graphOf({ 5: middle }, ["model"]), { model: "promoted" });
  wire(middle, "which", -10, 0);
  open({ 9: outer });
  assert.equal(nodeAt("9:5:1"), inner);
  assert.equal(valueOf(inner, "model"), "promoted");
  setWidget(inner, "model", "picked");
  assert.equal(outer.widgets[0].value, "picked");
});

test("a subgraph that is used twice has a value at each place, and none in general", () => {
  const inner = generate();
  const shared = graphOf({ 1: inner }, ["n"]);
  wire(inner, "n", -10, 0);
  open({ 2: subgraphNode(shared, { n: 2 }), 3: subgraphNode(shared, { n: 3 }) });
  const at = [...activeNodes()].filter((it) => it.node === inner).map((it) => valueOf(inner, "n", it.path));
  assert.deepEqual(at, [2, 3]);
  assert.equal(valueOf(inner, "n"), undefined);
  setWidget(inner, "n", 4);
  assert.equal(valueOf(inner, "n"), 4);
});

test("what is switched off does not run, nor what is in it", () => {
  const off = subgraphNode(graphOf({ 1: generate() }), {});
  open({ 2: off, 3: generate(), 4: Object.assign(generate(), { mode: 2 }) });
  off.mode = 4;
  assert.deepEqual(
    [...activeNodes()].map((it) => it.node.id),
    [3],
  );
});

test("a node reads the same only as long as those before it do", () => {
  const paid = node("LumenfallGenerate", { model: "own", n: 1 }, ["options"]);
  open({ 1: paid, 2: node("LumenfallOptions", { model: "", seed: 1 }) });
  wire(paid, "options", 2);
  const before = stateOf(paid);
  assert.equal(stateOf(paid), before);
  setWidget(nodeAt(2), "model", "another");
  assert.notEqual(stateOf(paid), before);
});

test("a picture that comes to a node changes neither what it says nor what it is", () => {
  const own = generate();
  open({ 1: own });
  const before = [stateOf(own), nature(own)];
  own.widgets.push({ name: "lumenfall_result", value: "", serialize: false, options: { serialize: false } });
  assert.deepEqual([stateOf(own), nature(own)], before);
  own.widgets[0].value = "another";
  assert.notDeepEqual([stateOf(own), nature(own)], before);
});

test("what a node says is no longer the same when something in the subgraph before it, or behind what is bypassed, is another", () => {
  const paid = node("LumenfallEdit", { seed: 1 }, ["image", "options"]);
  const inner = node("LumenfallOptions", { model: "a" });
  const [photo, bypassed] = [node("LoadImage", { file: "a.png" }), node("Invert", {}, ["image"])];
  open({ 1: paid, 2: subgraphNode(graphOf({ 5: inner }), {}), 3: photo, 4: bypassed });
  wire(paid, "options", 2);
  wire(paid, "image", 4);
  wire(bypassed, "image", 3);
  bypassed.mode = 4;
  const states = [stateOf(paid, [])];
  for (const change of [inner, photo]) {
    change.widgets[0].value = "b";
    states.push(stateOf(paid, []));
  }
  assert.equal(new Set(states).size, 3);
});

test("what a subgraph that is used twice says before a node is that of its place", () => {
  const paid = node("LumenfallGenerate", { seed: 1 }, ["options"]);
  const options = node("LumenfallOptions", { model: "" });
  wire(paid, "options", 2);
  wire(options, "model", -10, 0);
  const shared = graphOf({ 1: paid, 2: options }, ["model"]);
  open({ 7: subgraphNode(shared, { model: "a" }), 8: subgraphNode(shared, { model: "b" }) });
  const path = [...activeNodes()].find((it) => it.id === "7:1")?.path;
  const state = stateOf(paid, path);
  nodeAt(7).widgets[0].value = "c";
  assert.notEqual(stateOf(paid, path), state);
});
