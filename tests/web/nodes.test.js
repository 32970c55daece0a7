// Which models a node asks, and what it is worth.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { activeNodes } from "../../web/js/host/graph.js";
import { loadModels } from "../../web/js/models.js";
import { chooseContenders, slugsOf, worthOf } from "../../web/js/nodes.js";
import { keepOneFree } from "../../web/js/sockets.js";
import { answers } from "./frontend/api.js";
import { graphOf, node, open, subgraphNode, wire } from "./frontend/graph.js";

const model = (id, price) => ({ id, name: id, aliases: [], modes: ["generate"], price, currency: "USD" });

beforeEach(async () => {
  const models = [model("cheap", 0.01), model("dear", 0.2), model("unpriced", null)];
  answers.set("/lumenfall/models", { models, ended: [], nodes: {}, source: "bundled", compiled: null, failure: null });
  await loadModels();
});

test("the model of Request Options wins, unless it is empty", () => {
  const paid = node("LumenfallGenerate", { model: "cheap", n: 3 }, ["options"]);
  const options = node("LumenfallOptions", { model: "" });
  open({ 1: paid, 2: options });
  wire(paid, "options", 2);
  assert.deepEqual(slugsOf(paid), ["cheap"]);
  options.widgets[0].value = " dear ";
  assert.deepEqual(slugsOf(paid), ["dear"]);
  assert.deepEqual(
    { ...worthOf(paid), amount: worthOf(paid).amount.toFixed(2) },
    {
      amount: "0.60",
      currency: "USD",
      count: 3,
      known: true,
      why: null,
    },
  );
});

test("the model of Request Options before others counts, where those leave it empty, in a comparison too", () => {
  const paid = node("LumenfallGenerate", { model: "cheap", n: 3 }, ["options"]);
  const compare = node("LumenfallCompare", { model: "cheap", more_models: "unpriced, cheap" }, ["options"]);
  const [near, far] = ["", "dear"].map((model) => node("LumenfallOptions", { model }, ["options"]));
  open({ 1: paid, 2: near, 3: far, 4: compare });
  wire(paid, "options", 2);
  wire(compare, "options", 2);
  wire(near, "options", 3);
  assert.deepEqual([slugsOf(paid), slugsOf(compare)], [["dear"], ["dear", "unpriced", "cheap"]]);
  chooseContenders(compare, ["cheap", "unpriced"]);
  assert.deepEqual(slugsOf(compare), ["cheap", "unpriced"]);
  assert.equal(far.widgets[0].value, "cheap");
});

test("what is bypassed gives on what comes before it: the Request Options there count", () => {
  const paid = node("LumenfallGenerate", { model: "cheap" }, ["options"]);
  const [near, far] = ["unpriced", "dear"].map((model) => node("LumenfallOptions", { model }, ["options"]));
  open({ 1: paid, 2: near, 3: far });
  wire(paid, "options", 2);
  wire(near, "options", 3);
  for (const { inputs } of [paid, near, far]) for (const input of inputs) if (input.name === "options") input.type = "O";
  near.mode = 4;
  assert.deepEqual(slugsOf(paid), ["dear"]);
  far.mode = 4;
  assert.deepEqual(slugsOf(paid), ["cheap"]);
  far.mode = 2;
  assert.deepEqual(slugsOf(paid), ["cheap"]);
});

test("Request Options that lie between two subgraphs say what their own subgraph's node says", () => {
  const paid = node("LumenfallGenerate", { model: "cheap" }, ["options"]);
  wire(paid, "options", -10, 0);
  const inner = subgraphNode(graphOf({ 1: paid }, ["options"]), { model: "cheap" });
  inner.inputs.push({ name: "options", type: "*" });
  const between = node("LumenfallOptions", { model: "" });
  wire(between, "model", -10, 0);
  wire(inner, "options", 2);
  open({ 9: subgraphNode(graphOf({ 2: between, 3: inner }, ["model"]), { model: "dear" }) });
  const place = [...activeNodes()].find((it) => it.node === paid);
  assert.deepEqual(slugsOf(paid, place?.path), ["dear"]);
});

test("a comparison is worth the sum of its models, of which each counts once", () => {
  const compare = node("LumenfallCompare", { model: "cheap", more_models: "dear\n\ncheap\nunpriced" });
  open({ 1: compare });
  assert.deepEqual(slugsOf(compare), ["cheap", "dear", "unpriced"]);
  assert.equal(worthOf(compare).known, false);
});

test("a number of pictures that only a run can tell is not guessed", () => {
  const paid = node("LumenfallGenerate", { model: "cheap", n: 3 });
  open({ 1: paid, 2: node("SomeoneElse", {}) });
  wire(paid, "n", 2);
  assert.equal(worthOf(paid).known, false);
});

test("an opened node shows the sockets in use and one more", () => {
  const edit = node("LumenfallEdit", {}, ["image", "image_2", "image_3", "image_4", "image_5"]);
  open({ 1: edit, 2: node("LoadImage") });
  wire(edit, "image_3", 2);
  keepOneFree(edit, "image_", 2, 5);
  edit.onAfterGraphConfigured();
  assert.deepEqual(
    edit.inputs.map((input) => input.name),
    ["image", "image_2", "image_3"],
  );
});
