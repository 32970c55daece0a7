// What a node's error, and its end, leave behind: cards that act and go, and remarks that come back.

import assert from "node:assert/strict";
import { afterEach, before, beforeEach, test } from "node:test";
import { addBar, refreshBars } from "../../web/js/bar.js";
import { hearRuns } from "../../web/js/events.js";
import { changed, onChange } from "../../web/js/host/changes.js";
import { nodeAt, setWidget } from "../../web/js/host/graph.js";
import { loadModels } from "../../web/js/models.js";
import { readTexts } from "../../web/js/text.js";
import { answers, api, asked, tell } from "./frontend/api.js";
import { app } from "./frontend/app.js";
import { node, open, wire } from "./frontend/graph.js";

before(async () => {
  const model = { id: "plain", name: "Plain", aliases: [], modes: ["generate"], price: 1, parameters: [], successors: [] };
  answers.set("/lumenfall/models", { models: [model], ended: [], nodes: {}, source: "bundled", failure: null });
  await loadModels();
  hearRuns();
  onChange(refreshBars);
  await readTexts();
});

let run = 0;

beforeEach(() => {
  run += 1;
  const paid = node("LumenfallInpaint", { prompt: "a", model: "plain", seed: 1 }, ["image", "mask", "options"]);
  const options = node("LumenfallOptions", { model: "", quality: "auto" });
  const loader = Object.assign(node("LoadImage", { image: "a.png" }), { imgs: [{}] });
  open({ 1: paid, 2: options, 3: loader, 4: node("GrowMask", { by: 3 }, ["mask"]) });
  wire(paid, "options", 2);
  wire(paid, "mask", 4);
  wire(nodeAt(4), "mask", 3);
  for (const each of [paid, options]) addBar(each);
});

afterEach(() => {
  for (const close of document.querySelectorAll(".lumenfall-close")) close.click();
});

/** What reacts to a change has reacted. */
async function settled() {
  changed();
  for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
}

const fail = (error, at = "1") =>
  tell("lumenfall.error", {
    node: at,
    prompt_id: `run-${run}`,
    error: { message: "No.", hint: "Do.", charged: "not charged", ...error },
  });
const cards = () => [...document.querySelectorAll(".lumenfall-toast")];
const button = (name) => cards()[0].querySelectorAll("footer button")[name];
const actions = () => [...cards()[0].querySelectorAll("footer button")].map((each) => each.textContent);

test("a node has one card, whatever it failed of, and another node its own", () => {
  fail({ code: "A", request_id: "req_1" });
  fail({ code: "B", request_id: "req_2" });
  assert.equal(cards().length, 1);
  assert.match(cards()[0].textContent, /B/);
  fail({ code: "C" }, "2");
  assert.equal(cards().length, 2);
});

test("a card goes when its node runs again, is mended or is gone", async () => {
  fail({ code: "A" });
  tell("progress_state", { prompt_id: `run-${run}`, nodes: { 4: { state: "running" }, 1: { state: "finished" } } });
  assert.equal(cards().length, 1);
  tell("progress_state", { prompt_id: `run-${run}`, nodes: { 1: { state: "running" } } });
  assert.equal(cards().length, 0);

  fail({ code: "A" });
  setWidget(nodeAt(1), "seed", 7);
  await settled();
  assert.equal(cards().length, 1);
  setWidget(nodeAt(3), "image", "painted.png");
  await settled();
  assert.equal(cards().length, 0);

  fail({ code: "A" });
  app.rootGraph.nodes.shift();
  await settled();
  assert.equal(cards().length, 0);
});

test("the card of what may be paid for twice stays, whatever is changed", async () => {
  fail({ code: "LOST", call: "call-1" });
  setWidget(nodeAt(1), "prompt", "b");
  await settled();
  assert.deepEqual(actions(), ["errors.sendAgain", "errors.copy"]);
});

test("an unknown way of being charged is shown as it is called", () => {
  fail({ code: "A", charged: "half charged" });
  assert.match(cards()[0].textContent, /half charged/);
});

test("a card opens where its error is mended", async () => {
  fail({ code: "EMPTY_MASK" });
  assert.deepEqual(actions(), ["errors.openMask", "errors.copy"]);
  button(0).click();
  assert.deepEqual(app.ran, ["Comfy.MaskEditor.OpenMaskEditor", [nodeAt(3)]]);

  fail({ code: "NO_API_KEY" });
  assert.deepEqual(actions(), ["errors.openSettings", "errors.copy"]);
  fail({ code: "MODEL_NOT_FOUND" });
  assert.deepEqual(actions(), ["errors.chooseModel", "errors.copy"]);
  button(0).click();
  assert.ok(document.querySelector("dialog.lumenfall-picker"));
  assert.equal(cards().length, 1);
});

test("a changed input brings back what the model ignores, before it is paid for", async () => {
  const told = () => nodeAt(1).widgets.at(-1).element.querySelector(".lumenfall-status").textContent;
  const report = { cost: 0.5, currency: "USD", model: "plain" };
  setWidget(nodeAt(2), "quality", "high");
  await settled();
  assert.equal(told(), "node.ignores");
  tell("executed", { node: "1", prompt_id: `run-${run}`, output: { lumenfall: [report] } });
  await settled();
  assert.equal(told(), "$0.50");
  tell("executed", { node: "1", prompt_id: `run-${run}`, output: { lumenfall: [{ ...report, approximate: true }] } });
  await settled();
  assert.equal(told(), "\u2248 $0.50");
  tell("executed", { node: "1", prompt_id: `run-${run}`, output: { lumenfall: [report] } });
  await settled();
  setWidget(nodeAt(1), "seed", 7);
  await settled();
  assert.equal(told(), "$0.50");
  setWidget(nodeAt(1), "prompt", "b");
  await settled();
  assert.equal(told(), "node.ignores");
});

test("the workflow of a run is known from queueing it, and nothing is asked", async () => {
  asked.length = 0;
  const { prompt_id: queued } = await api.queuePrompt(0, { workflow: { id: "another" } });
  tell("execution_start", { prompt_id: queued });
  tell("lumenfall.progress", { node: "1", prompt_id: queued, text: "waiting (3 s)" });
  await settled();
  const [status] = nodeAt(1).widgets.at(-1).element.getElementsByClassName("lumenfall-status");
  assert.equal(status.textContent, "");
  tell("lumenfall.progress", { node: "1", prompt_id: `run-${run}`, text: "waiting (4 s)" });
  await settled();
  assert.equal(status.textContent, "waiting (4 s)");
  assert.equal(status.querySelector("[role=status]").textContent, "waiting");
  assert.deepEqual(asked, []);
  assert.deepEqual(Object.fromEntries(JSON.parse(sessionStorage.getItem("lumenfall.runs")))[queued], "another");
});
