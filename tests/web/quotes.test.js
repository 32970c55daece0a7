// When the server is asked what a graph would cost.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { changed, hearChanges } from "../../web/js/host/changes.js";
import { quoteOf, watchQuotes } from "../../web/js/quotes.js";
import { answers, asked } from "./frontend/api.js";
import { app } from "./frontend/app.js";
import { node, open } from "./frontend/graph.js";

test("an estimate that is never answered is not the last", async () => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const { setTimeout: later, clearTimeout: never } = globalThis;
  Object.assign(window, { setTimeout: later, clearTimeout: never });
  const paid = node("LumenfallGenerate", { model: "plain", prompt: "a fox" });
  open({ 1: paid });
  app.prompt = { 1: { class_type: "LumenfallGenerate", inputs: { prompt: "a fox" } } };
  window.LiteGraph = { registered_node_types: {} };
  const line = { node_id: "1", price: 0, replayed: 1, pictures: 1, source: "store", notes: [], error: null, currency: "USD" };
  answers.set("/lumenfall/estimate", () => new Promise(() => {}));
  hearChanges();
  watchQuotes();
  const pass = async (milliseconds) => {
    mock.timers.tick(milliseconds);
    for (let turn = 0; turn < 40; turn++) await new Promise((done) => setImmediate(done));
    await new Promise(requestAnimationFrame);
  };
  const isFree = () => quoteOf([{ node: paid, path: [], id: "1" }])?.free;
  changed();
  for (let second = 0; second < 5; second++) await pass(1000);
  assert.equal(asked.length, 1);
  answers.set("/lumenfall/estimate", { lines: [line], ask_above: null });
  for (let second = 0; second < 100 && !isFree(); second++) await pass(1000);
  assert.equal(isFree(), true);
  mock.timers.reset();
});
