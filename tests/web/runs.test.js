// What is said of a run reaches its nodes: before the server has answered, after it was away, when they stand elsewhere by
// then, and over a reload.

import assert from "node:assert/strict";
import { before, beforeEach, test } from "node:test";
import { addBar, refreshBars } from "../../web/js/bar.js";
import { hearRuns } from "../../web/js/events.js";
import { changed, onChange } from "../../web/js/host/changes.js";
import { nodeAt, setWidget } from "../../web/js/host/graph.js";
import { recall } from "../../web/js/outcomes.js";
import { readTexts } from "../../web/js/text.js";
import { answers, api, tell } from "./frontend/api.js";
import { app } from "./frontend/app.js";
import { graphOf, node, open, subgraphNode } from "./frontend/graph.js";

/** How the server answers what is sent, and how it refuses it. */
let answer;
let refuse;

before(async () => {
  api.queuePrompt = () => new Promise((resolve, reject) => ([answer, refuse] = [resolve, reject]));
  hearRuns();
  onChange(refreshBars);
  await readTexts();
});

let run = 0;
let id = "";

beforeEach(() => {
  run += 1;
  id = `run-${run}`;
  openFox();
});

function fox(prompt = "fox") {
  return node("LumenfallGenerate", { prompt, model: "plain", n: 1, seed: 1 });
}

function openFox() {
  open({ 1: fox() });
  addBar(nodeAt(1));
}

/** What was begun has come as far as it can by itself. */
const turn = () => new Promise((done) => setImmediate(done));

async function settled() {
  changed();
  for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
}

const report = (cost) => ({ output: { lumenfall: [{ cost, currency: "USD", model: "plain" }] } });
const told = (at) => nodeAt(at).widgets.at(-1).element.querySelector(".lumenfall-status").textContent;

test("what is told of a prompt before its id is known is said in the workflow that it was sent from", async () => {
  await settled();
  const sent = api.queuePrompt(0, { workflow: { id: "test" } });
  await turn();
  open({ 1: fox() }).id = "another";
  tell("lumenfall.progress", { node: "1", prompt_id: id, text: "waiting" });
  tell("executed", { node: "1", prompt_id: id, ...report(0.5) });
  assert.equal(recall("1"), undefined);
  answer({ prompt_id: id });
  await sent;
  assert.equal(recall("1"), undefined);
  app.rootGraph.id = "test";
  assert.equal(recall("1").text, "$0.50");
  // One that never gets an id holds nothing back.
  const refused = api.queuePrompt(0, { workflow: { id: "test" } });
  await turn();
  tell("executed", { node: "1", prompt_id: `${id}-else`, ...report(0.25) });
  answer({});
  await refused;
  assert.equal(recall("1").text, "$0.25");
});

test("the models that were used last are those that a run asked, whatever its node says by now", async () => {
  localStorage.removeItem("Lumenfall.recent");
  const sent = api.queuePrompt(0, { workflow: { id: "test" } });
  await turn();
  answer({ prompt_id: id });
  await sent;
  setWidget(nodeAt(1), "model", "another");
  tell("executed", { node: "1", prompt_id: id, ...report(0.5) });
  assert.deepEqual(JSON.parse(localStorage.getItem("Lumenfall.recent")), ["plain"]);
});

test("what a node's own check refuses is told on it and on a card, until the node says something else", async () => {
  const cards = () => [...document.querySelectorAll(".lumenfall-toast")].map((card) => card.textContent);
  const against = (details, extra) => [{ type: "custom_validation_failed", details, extra_info: extra }];
  await settled();
  const refused = api.queuePrompt(0, { workflow: { id: "test" } });
  await turn();
  const errors = against("model - model is empty: pick one", { input_name: "model" });
  refuse(Object.assign(new Error("Prompt failed"), { response: { node_errors: { 1: { errors } } } }));
  await assert.rejects(refused);
  await settled();
  assert.equal(told(1), "model is empty: pick one");
  assert.match(cards().join(), /INVALID_INPUT.*errors\.notCharged/);
  setWidget(nodeAt(1), "model", "other");
  await settled();
  assert.deepEqual(cards(), []);
  assert.equal(told(1), "");

  // Others of the same prompt may run.
  const some = api.queuePrompt(0, { workflow: { id: "test" } });
  await turn();
  answer({ prompt_id: id, node_errors: { 1: { errors: against("The prompt is empty.", { code: "EMPTY" }) } } });
  await some;
  await settled();
  assert.match(cards().join(), /The prompt is empty\..*EMPTY/);
  tell("lumenfall.progress", { node: "1", prompt_id: `${id}-next`, text: "waiting" });
  assert.deepEqual(cards(), []);
});

test("the picture that ComfyUI shows of a running node goes, also where ComfyUI has forgotten it by then", async () => {
  await settled();
  tell("progress_state", { prompt_id: id, nodes: { 1: { state: "running" } } });
  nodeAt(1).widgets.push({ name: "$$canvas-image-preview", onRemove() {} });
  nodeAt(1).size[1] += 220;
  tell("executed", { node: "1", prompt_id: id, ...report(0.5) });
  await settled();
  assert.deepEqual(
    nodeAt(1).widgets.filter(({ name }) => name.startsWith("$$")),
    [],
  );
});

test("what a node cost goes along into a subgraph and out of it, and with no copy", async () => {
  await settled();
  tell("executed", { node: "1", prompt_id: id, ...report(0.5) });
  tell("lumenfall.progress", { node: "1", prompt_id: `${id}-next`, text: "waiting" });
  await settled();
  const inner = fox();
  open({ 7: subgraphNode(graphOf({ 1: inner }), {}) });
  addBar(inner);
  await settled();
  assert.equal(told("7:1"), "waiting");
  // The run was sent before, and knows the node by its old place.
  tell("executed", { node: "1", prompt_id: `${id}-next`, ...report(0.75) });
  await settled();
  assert.equal(told("7:1"), "$0.75");
  open({ 8: fox(), 9: fox() });
  addBar(nodeAt(8));
  await settled();
  addBar(nodeAt(9));
  await settled();
  assert.deepEqual([told(8), told(9)], ["$0.75", ""]);
  open({ 10: fox("owl") });
  addBar(nodeAt(10));
  await settled();
  assert.equal(told(10), "");
});

test("what ended while the server was away is caught up with, and nothing runs for ever", async () => {
  await settled();
  tell("lumenfall.progress", { node: "1", prompt_id: id, text: "waiting" });
  answers.set(`/history/${id}`, {});
  answers.set("/queue", { queue_running: [[0, id]], queue_pending: [] });
  const again = async () => {
    tell("reconnected");
    for (let turns = 0; turns < 20; turns++) await turn();
    await settled();
  };
  await again();
  assert.equal(told(1), "waiting");
  answers.set(`/history/${id}`, { [id]: { outputs: { 1: report(0.5).output }, status: { messages: [] } } });
  await again();
  assert.equal(told(1), "$0.50");

  tell("lumenfall.progress", { node: "1", prompt_id: `${id}-lost`, text: "waiting" });
  answers.set(`/history/${id}-lost`, {});
  await again();
  assert.equal(told(1), "node.unheard");
  assert.equal(nodeAt(1).widgets.at(-1).element.dataset.state, "stopped");
});

test("what ComfyUI has kept from an earlier run costs nothing in this one", async () => {
  await settled();
  tell("executed", { node: "1", prompt_id: id, ...report(0.5) });
  tell("execution_cached", { prompt_id: `${id}-again`, nodes: ["1", "2"] });
  await settled();
  assert.equal(told(1), "node.replayed");
  tell("executed", { node: "1", prompt_id: `${id}-again`, ...report(0.5) });
  await settled();
  assert.equal(told(1), "node.replayed");
  assert.deepEqual(recall("1").costs, {});

  tell("lumenfall.progress", { node: "1", prompt_id: `${id}-missed`, text: "waiting" });
  const messages = [["execution_cached", { nodes: ["1"] }]];
  const past = { outputs: { 1: report(0.5).output }, status: { messages } };
  answers.set(`/history/${id}-missed`, { [`${id}-missed`]: past });
  tell("reconnected");
  for (let turns = 0; turns < 20; turns++) await turn();
  assert.equal(recall("1").kind, "replayed");
});

test("what was said outlives a reload of the page", async () => {
  await settled();
  tell("executed", { node: "1", prompt_id: id, ...report(0.5) });
  window.dispatchEvent(new window.Event("pagehide"));
  const fresh = await import("../../web/js/outcomes.js?reloaded");
  fresh.outliveReloads();
  assert.equal(fresh.recall("1").text, "$0.50");
  fresh.keep("test", "1", { kind: "running", text: "waiting", promptId: "later" });
  assert.deepEqual(fresh.promptsInTheAir(), ["later"]);
});
