// What is asked before a run: which part of a graph counts, what a batch costs, and that nothing gets past the question.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { askBeforeRuns, refusal } from "../../web/js/ask.js";
import { changingSeeds, estimateOf, estimateRuns, readThreshold, threshold } from "../../web/js/estimate.js";
import { guardQueue, runsAtOnce } from "../../web/js/host/frontend.js";
import { activeNodes } from "../../web/js/host/graph.js";
import { again, runningPart } from "../../web/js/host/prompt.js";
import { settledOf } from "../../web/js/host/states.js";
import { loadModels } from "../../web/js/models.js";
import { quoteOf } from "../../web/js/quotes.js";
import { answers, api } from "./frontend/api.js";
import { app } from "./frontend/app.js";
import { node, open, wire } from "./frontend/graph.js";

const generate = (seed) => ({ class_type: "LumenfallGenerate", inputs: { prompt: "fox", seed } });
const save = (id) => ({ class_type: "SaveImage", inputs: { images: [id, 0] } });

/** Each node costs 0.05, but for what is equal to one before it. */
function priced({ prompt }) {
  const ordered = new Set();
  const lines = Object.entries(prompt)
    .filter(([, { class_type: name }]) => name === "LumenfallGenerate")
    .map(([id, { inputs }]) => {
      const key = JSON.stringify(inputs);
      const isNew = !ordered.has(key);
      ordered.add(key);
      const price = isNew ? 0.05 : 0;
      const source = isNew ? "dry run" : "store";
      return { node_id: id, title: id, pictures: 1, replayed: isNew ? 0 : 1, price, currency: "USD", source, notes: [] };
    });
  const total = lines.reduce((sum, { price }) => sum + price, 0);
  return { lines, total, currency: "USD", unknown: 0, approximate: false, ask_above: answers.get("threshold") };
}

beforeEach(async () => {
  window.LiteGraph = {
    registered_node_types: {
      LumenfallGenerate: { nodeData: { output_node: false } },
      SaveImage: { nodeData: { output_node: true } },
    },
  };
  answers.set("/lumenfall/estimate", priced);
  answers.set("threshold", 0.04);
  await readThreshold();
});

const said = () => "";

test("only what leads to an output counts, or to those that are wanted", () => {
  const prompt = { 1: generate(1), 2: save("1"), 3: generate(2), 4: generate(3), 5: save("4") };
  assert.deepEqual(Object.keys(runningPart(prompt)), ["1", "2", "4", "5"]);
  assert.deepEqual(Object.keys(runningPart(prompt, ["5"])), ["4", "5"]);
  assert.deepEqual(runningPart({ 1: generate(1) }), {});
  // What came with a server that was updated under the open page.
  assert.deepEqual(Object.keys(runningPart({ 1: generate(1), 2: { ...save("1"), class_type: "SaveAnew" } })), ["1", "2"]);
  // Of a frontend that does not tell.
  window.LiteGraph = { registered_node_types: {} };
  assert.deepEqual(Object.keys(runningPart({ 1: generate(1) })), ["1"]);
});

test("a batch buys equal pictures once, and another with each seed", async () => {
  const paid = node("LumenfallGenerate", { seed: 1, control_after_generate: "randomize" });
  open({ 1: paid });
  const prompt = { 1: generate(1), 2: save("1") };
  const told = async (count) => (await estimateRuns(prompt, count)).total.toFixed(2);
  assert.equal(await told(1), "0.05");
  assert.equal(await told(4), "0.20");
  paid.widgets[1].value = "fixed";
  assert.equal(await told(4), "0.05");
});

test("of what chance takes nobody knows that it is in the store", async () => {
  const paid = node("LumenfallGenerate", { prompt: "a {red|blue} fox", seed: 1, control_after_generate: "fixed" });
  paid.widgets[0].dynamicPrompts = true;
  open({ 1: paid });
  answers.set("/lumenfall/estimate", ({ prompt }) => {
    const found = priced({ prompt });
    const stored = found.lines[0];
    Object.assign(stored, { price: 0, replayed: 1, source: "store" });
    return found;
  });
  const prompt = { 1: generate(1), 2: save("1") };
  assert.equal((await estimateRuns(prompt, 1)).lines[0].price, 0.05);
  paid.widgets[0].value = '{"style": "red|blue"}';
  assert.equal((await estimateRuns(prompt, 1)).lines[0].price, 0);
});

test("what is held never reaches the queue; what is let through is asked about once, whoever sends it", async () => {
  const asked = [];
  const heard = [];
  const another = app.queuePrompt;
  app.queuePrompt = (...args) => (heard.push("before"), another.apply(app, args));
  guardQueue(async (run) => {
    asked.push([run.count, Object.keys(await run.prompt())]);
    return answers.get("why") ?? null;
  }, said);
  const ours = app.queuePrompt;
  app.queuePrompt = (...args) => (heard.push("after"), ours.apply(app, args));
  app.prompt = { 1: generate(1), 2: save("1") };
  assert.equal(await app.queuePrompt(0, 3), true);
  assert.deepEqual([asked.length, api.sent.length, heard], [1, 3, ["after", "before"]]);
  answers.set("why", "no");
  assert.equal(await app.queuePrompt(0, 3), false);
  await assert.rejects(() => api.queuePrompt(0, { output: { 9: generate(9) } }), /no/);
  assert.deepEqual(asked.slice(1), [
    [3, ["1", "2"]],
    [1, ["9"]],
  ]);
  assert.equal(api.sent.length, 3);
});

test("what is sent later than it was let through is asked about anew where it has become something else", async () => {
  let before = api.sent.length;
  const said = () => (api.sent.length === before ? "a fox" : "eight foxes");
  const asked = [];
  guardQueue(async (run) => (await run.prompt(), asked.push(said()), said() === "eight foxes" ? "no" : null), said);
  app.prompt = { 1: generate(1), 2: save("1") };
  // Behind another batch.
  const first = app.queuePrompt(0, 1);
  assert.equal(await app.queuePrompt(0, 1), false);
  assert.equal(await first, false);
  assert.deepEqual([asked, api.sent.length - before], [["a fox", "eight foxes"], 1]);
  // Behind the first of its own batch.
  before = api.sent.length;
  await assert.rejects(() => app.queuePrompt(0, 3), /no/);
  assert.equal(api.sent.length - before, 1);
});

test("a threshold that was asked for earlier and is answered later does not count", async () => {
  /** @type {(value: any) => void} */
  let late = () => {};
  answers.set("/lumenfall/estimate", () => new Promise((done) => (late = done)));
  const earlier = estimateOf({});
  answers.set("/lumenfall/estimate", priced);
  answers.set("threshold", 0.01);
  await readThreshold();
  late({ lines: [], ask_above: null });
  await earlier;
  assert.equal(threshold(), 0.01);
});

test("the question names the sum, and what waits behind a no is not queued either", async () => {
  HTMLDialogElement.prototype.showModal = function () {
    this.open = true;
  };
  HTMLDialogElement.prototype.close = function () {
    this.dispatchEvent(new window.Event("close"));
  };
  const run = { prompt: async () => ({ 1: generate(1), 2: save("1") }), count: 1 };
  const [first, second] = [refusal(run), refusal(run)];
  while (!document.querySelector(".lumenfall-ask table")) await new Promise((done) => setTimeout(done));
  assert.match(document.querySelector(".lumenfall-ask tfoot").textContent, /\$0\.05/);
  [...document.querySelectorAll(".lumenfall-ask footer button")].at(-1).click();
  assert.deepEqual([await first, await second], ["ask.cancelled", "ask.cancelled"]);
  answers.set("threshold", 0.06);
  await readThreshold();
  assert.equal(await refusal(run), null);
});

test("what is changed while the price is asked for is asked about as it is then", async () => {
  const paid = node("LumenfallGenerate", { model: "plain", seed: 1 });
  open({ 1: paid });
  answers.set("threshold", 0.06);
  await readThreshold();
  const graph = { 1: generate(1), 2: save("1") };
  const run = { prompt: async () => ({ ...graph }), count: 1 };
  answers.set("/lumenfall/estimate", (body) => {
    if (!graph[3]) {
      paid.widgets[1].value = 2;
      Object.assign(graph, { 3: generate(2), 4: save("3") });
    }
    return priced(body);
  });
  const answered = refusal(run);
  while (!document.querySelector(".lumenfall-ask table")) await new Promise((done) => setTimeout(done));
  assert.match(document.querySelector(".lumenfall-ask tfoot").textContent, /\$0\.10/);
  [...document.querySelectorAll(".lumenfall-ask footer button")].at(-1).click();
  assert.equal(await answered, "ask.cancelled");
});

test("the price beside Run is that of all runs that a press on it queues", async () => {
  const model = { id: "plain", aliases: [], modes: [], price: 0.05, currency: "USD" };
  answers.set("/lumenfall/models", { models: [model], ended: [], nodes: {} });
  await loadModels();
  const paid = node("LumenfallGenerate", { model: "plain", seed: 1, control_after_generate: "randomize" });
  open({ 1: paid });
  const amount = (runs) => quoteOf([...activeNodes()], runs).amount.toFixed(2);
  assert.deepEqual([amount(1), amount(4)], ["0.05", "0.20"]);
  paid.widgets[2].value = "fixed";
  assert.equal(amount(4), "0.05");
  assert.equal(runsAtOnce(), 1);
  app.extensionManager._p = { _s: new Map([["queueSettingsStore", { batchCount: 4 }]]) };
  assert.equal(runsAtOnce(), 4);
});

test("what becomes something else from run to run is bought anew by each: another picture, another seed before it", async () => {
  const paid = node("LumenfallEdit", { seed: 1 }, ["image"]);
  const photo = node("LoadImage", { image: "a.png", upload: "" });
  const next = node("PrimitiveNode", { value: "a.png", control_after_generate: "increment" });
  open({ 1: paid, 2: photo, 3: next });
  wire(paid, "image", 2);
  wire(photo, "image", 3);
  assert.deepEqual([...changingSeeds()], ["1"]);
  next.widgets[1].value = "fixed";
  assert.deepEqual([...changingSeeds()], []);
  // A seed of another node, of which the copy in the estimate would say the same again.
  const copy = again({ 5: { class_type: "LumenfallEdit", inputs: { seed: ["6", 0] } } }, new Set(["5"]));
  assert.equal(typeof copy["again/5"].inputs.seed, "number");
});

test("what stands beside a seed says nothing of the other inputs", () => {
  const paid = node("LumenfallGenerate", { model: "plain", n: 1, seed: 1, control_after_generate: "randomize" });
  open({ 1: paid });
  const state = settledOf(paid, []);
  paid.widgets[2].value = 2;
  assert.equal(settledOf(paid, []), state);
  paid.widgets[1].value = 8;
  assert.notEqual(settledOf(paid, []), state);
  paid.widgets[1].value = 1;
  paid.widgets[3].value = "fixed";
  const fixed = settledOf(paid, []);
  assert.notEqual(fixed, state);
  paid.widgets[2].value = 3;
  assert.notEqual(settledOf(paid, []), fixed);
});

test("what could not be read when it was asked about, and what others send meanwhile, is asked about when it is sent", async () => {
  const asked = [];
  guardQueue(
    async ({ prompt }) => {
      const output = await prompt().catch(() => null);
      asked.push(Object.keys(output ?? {}));
      return null;
    },
    (prompt) => JSON.stringify(prompt),
  );
  const { graphToPrompt: read } = app;
  app.prompt = { 1: generate(1), 2: save("1") };
  let reads = 0;
  app.graphToPrompt = async () => {
    reads += 1;
    if (reads === 1) throw new Error("no picture was taken");
    return read();
  };
  await app.queuePrompt(0, 1);
  app.graphToPrompt = read;
  assert.deepEqual(asked, [[], ["1", "2"]]);
  asked.length = 0;
  const batch = app.queuePrompt(0, 2);
  while (!asked.length) await new Promise((done) => setImmediate(done));
  await api.queuePrompt(0, { output: { 9: generate(9) } });
  await batch;
  assert.deepEqual(asked, [["1", "2"], ["9"]]);
});

test("a run of which packs make the seed when it is sent is asked about once", async () => {
  const words = [];
  askBeforeRuns();
  const chance = node("Seed of chance", { seed: -1 });
  const paid = node("LumenfallGenerate", { model: "plain", seed: 1 }, ["seed"]);
  open({ 1: paid, 5: chance });
  wire(paid, "seed", chance);
  answers.set("threshold", 0.01);
  await readThreshold();
  answers.set("/lumenfall/estimate", (body) => {
    words.push(body);
    return priced(body);
  });
  let seed = 100;
  const { graphToPrompt: read } = app;
  app.graphToPrompt = async () => {
    seed += 1;
    const made = { class_type: "Seed of chance", inputs: { seed } };
    const output = { 1: { ...generate(1), inputs: { prompt: "fox", seed: ["5", 0] } }, 2: save("1"), 5: made };
    return { output, workflow: {} };
  };
  const sent = app.queuePrompt(0, 1);
  while (!document.querySelector(".lumenfall-ask table")) await new Promise((done) => setTimeout(done));
  document.querySelector(".lumenfall-ask footer button").click();
  await sent;
  app.graphToPrompt = read;
  assert.equal(document.querySelector(".lumenfall-ask table"), null);
  assert.equal(words.length, 1);
});

test("a threshold that could not be read may be another by now", async () => {
  answers.set("threshold", null);
  await readThreshold();
  assert.equal(threshold(), null);
  answers.set("/lumenfall/estimate", new Response("", { status: 500 }));
  await readThreshold();
  assert.equal(threshold(), undefined);
});
