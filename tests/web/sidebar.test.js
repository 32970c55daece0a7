// The sidebar: when it asks, what it asks, and what it goes on showing.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { loadModels } from "../../web/js/models.js";
import { registerSidebar } from "../../web/js/sidebar.js";
import { answers, asked, tell } from "./frontend/api.js";
import { app } from "./frontend/app.js";

const day = { date: "2026-11-26", cost: 0.1, pictures: 1 };
const spend = { currency: "USD", today: 0.1, month: 1, limits: { day: null, month: 5 }, days: [day], uncertain: 0 };
const call = (id, more = {}) => ({ id, model: "m", prompt: id, sent_at: Date.now() / 1000, run_id: "r", ...more });

let root;
let running;

beforeEach(async () => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  running = [];
  answers.clear();
  answers.set("/lumenfall/spend", spend);
  answers.set("/lumenfall/balance", { amount: null, currency: null, reason: "none" });
  answers.set("/lumenfall/calls", () => ({ running, calls: [call("an earlier one", { pictures: [], cost: 0.1 })], more: false }));
  app.tab ?? registerSidebar();
  root = document.body.appendChild(document.createElement("div"));
  app.tab.render(root);
  await settled();
  asked.length = 0;
});

afterEach(() => {
  app.tab.destroy();
  root.remove();
  mock.timers.reset();
});

/** All that was asked has been answered and shown. */
async function settled() {
  for (let turn = 0; turn < 30; turn++) await new Promise((done) => setImmediate(done));
}

async function pass(milliseconds) {
  mock.timers.tick(milliseconds);
  await settled();
}

const polls = () => asked.filter((route) => route === "/lumenfall/calls").length;
const shown = () => [...root.querySelectorAll(".lumenfall-running .lumenfall-words")].map((it) => it.textContent);

test("it asks while something of ours runs, only for our own calls, and not otherwise", async () => {
  await pass(60_000);
  tell("execution_start", { prompt_id: "r" });
  tell("executed", { output: { images: [] } });
  tell("execution_success", { prompt_id: "r" });
  await pass(60_000);
  assert.deepEqual(asked, []);
  running = [call("a kite", { stoppable: true })];
  // A slow node of others ran before: only ours tells that there is a call now.
  tell("lumenfall.progress", { node: "1", prompt_id: "r", text: "waiting" });
  await pass(200);
  assert.deepEqual(shown(), ["a kite"]);
  for (let second = 0; second < 10; second++) {
    tell("lumenfall.progress", { node: "1", prompt_id: "r", text: "waiting" });
    await pass(1000);
  }
  assert.equal(polls(), 6);
  running = [];
  tell("executed", { output: { lumenfall: [{}] } });
  tell("execution_success", { prompt_id: "r" });
  await pass(60_000);
  assert.deepEqual(shown(), []);
  assert.ok(polls() <= 8);
  assert.deepEqual(new Set(asked), new Set(["/lumenfall/spend", "/lumenfall/calls"]));
});

test("a poll that failed is told, and is not the last", async () => {
  running = [call("a kite", { stoppable: true })];
  tell("lumenfall.progress");
  await pass(200);
  const route = answers.get("/lumenfall/calls");
  answers.delete("/lumenfall/calls");
  await pass(2000);
  assert.match(root.querySelector("[role=alert]").textContent, /404/);
  answers.set("/lumenfall/calls", route);
  running = [call("a kite", { stoppable: true }), call("a lamp", { stoppable: true })];
  await pass(5000);
  assert.deepEqual(shown(), ["a kite", "a lamp"]);
  assert.equal(root.querySelector("[role=alert]").hidden, true);
});

test("a refusal is told with what to set, in the sidebar and in the picker", async () => {
  const error = { code: "HOST", message: "Not shown here.", hint: "Set LUMENFALL_HOSTS=box.lan." };
  for (const route of ["calls", "spend", "models"])
    answers.set(`/lumenfall/${route}`, Response.json({ error }, { status: 403 }));
  root.querySelector(".lumenfall-sidebar > header button").click();
  await settled();
  assert.equal(root.querySelector("[role=alert]").textContent, `${error.message} ${error.hint}`);
  assert.equal((await loadModels()).failure, `${error.message} ${error.hint}`);
});

test("polls leave what is shown alone, and speak of nothing but how much runs", async () => {
  running = [call("a kite", { stoppable: true })];
  tell("lumenfall.progress");
  await pass(200);
  const cancel = root.querySelector(".lumenfall-running button");
  cancel.focus();
  await pass(10_000);
  assert.equal(document.activeElement, cancel);
  const live = [...root.querySelectorAll("[role=status], [aria-live]")];
  assert.ok(live.every((region) => !region.querySelector("time") && !region.closest(".lumenfall-running")));
  running = [call("a kite", { stoppable: false })];
  await pass(2000);
  assert.equal(root.querySelector(".lumenfall-running button"), null);
});

test("before anything was made it says what to do, and leads to the key until there is one", async () => {
  app.tab.destroy();
  answers.set("/lumenfall/calls", () => ({ running: [], calls: [], more: false }));
  for (const isSet of [false, true]) {
    answers.set("/lumenfall/settings", { key: { set: isSet } });
    app.tab.render(root);
    await settled();
    const first = root.querySelector(".lumenfall-first");
    assert.equal(first.hidden, false);
    assert.equal(first.querySelectorAll("p").length, 3);
    assert.deepEqual(
      [...first.querySelectorAll("button")].map((button) => button.textContent),
      [isSet ? "sidebar.firstTemplate" : "sidebar.firstKey"],
    );
    assert.equal(root.querySelector(".lumenfall-history").hidden, true);
    app.tab.destroy();
  }
});

test("what is made meanwhile leaves the rows that are there alone, which may be pressed or dragged just now", async () => {
  const rows = () => [...root.querySelectorAll(".lumenfall-history .lumenfall-call")];
  const [earlier] = answers.get("/lumenfall/calls")().calls;
  const made = (calls) => answers.set("/lumenfall/calls", () => ({ running: [], calls: structuredClone(calls), more: false }));
  made([earlier]);
  await pass(200);
  const [row] = rows();
  made([call("a kite", { pictures: [], cost: 0.1 }), earlier]);
  await renewed();
  assert.equal(rows().length, 2);
  assert.equal(rows()[1], row);
  assert.match(row.textContent, /ago/);

  made([{ ...earlier, cost: 0.2 }]);
  await renewed();
  assert.match(rows()[1].textContent, /0\.2/);
});

/** A run has ended. */
async function renewed() {
  tell("executed", { output: { lumenfall: [{}] } });
  await pass(60_000);
}

test("what could not be asked is not told as nothing", async () => {
  app.tab.destroy();
  const calls = answers.get("/lumenfall/calls");
  answers.set("/lumenfall/calls", Response.json({}, { status: 500 }));
  app.tab.render(root);
  await settled();
  const type = root.querySelector(".lumenfall-history input");
  type.value = " ";
  type.dispatchEvent(new window.Event("input"));
  await pass(300);
  assert.doesNotMatch(root.textContent, /sidebar.noCalls/);
  answers.set("/lumenfall/calls", { running: [], calls: [], more: false });
  answers.set("/lumenfall/settings", { key: { set: true } });
  await pass(5000);
  assert.match(root.textContent, /sidebar.noCalls/);
  answers.set("/lumenfall/calls", calls);
});

test("an answer that was overtaken by a later one changes nothing, nor does it bring back what to do at first", async () => {
  /** @type {(value: any) => void} */
  let late = () => {};
  answers.set("/lumenfall/spend", () => new Promise((done) => (late = done)));
  answers.set("/lumenfall/calls", { running: [call("a kite")], calls: [], more: false });
  const refresh = root.querySelector(".lumenfall-sidebar > header button");
  refresh.click();
  await settled();
  answers.set("/lumenfall/spend", { ...spend, today: 7 });
  answers.set("/lumenfall/calls", { running: [], calls: [call("a kite", { pictures: [], cost: 6.9 })], more: false });
  refresh.click();
  await settled();
  late(spend);
  await settled();
  assert.deepEqual(shown(), []);
  assert.match(root.querySelector(".lumenfall-money").textContent, /\$7\.00/);

  app.tab.destroy();
  const settings = new Promise((done) => (late = done));
  answers.set("/lumenfall/settings", () => settings);
  answers.set("/lumenfall/calls", { running: [], calls: [], more: false });
  app.tab.render(root);
  await settled();
  answers.set("/lumenfall/calls", { running: [], calls: [call("a kite", { pictures: [], cost: 6.9 })], more: false });
  tell("lumenfall.progress");
  await pass(200);
  late({ key: { set: true } });
  await settled();
  assert.equal(root.querySelector(".lumenfall-first").hidden, true);
  assert.equal(root.querySelector(".lumenfall-history").hidden, false);
});

test("a page that is left open tells the age of what was made, and asks again on the next day and when it is come back to", async () => {
  app.tab.destroy();
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: new Date(2026, 10, 27, 23, 50) });
  app.tab.render(root);
  await settled();
  const age = () => root.querySelectorAll(".lumenfall-history .lumenfall-call .lumenfall-muted")[1].textContent;
  assert.equal(age(), "now");
  asked.length = 0;
  await pass(4 * 60_000);
  assert.equal(age(), "4 minutes ago");
  assert.deepEqual(asked, []);
  await pass(6 * 60_000 + 1000);
  await pass(10);
  assert.equal(polls(), 1);
  window.dispatchEvent(new window.Event("focus"));
  await pass(10);
  assert.equal(polls(), 2);
});

test("a run that could not be cancelled does not look as if it was, and is cancelled by the next try", async () => {
  running = [call("a kite", { stoppable: true })];
  answers.set("/queue", Response.json({}, { status: 500 }));
  tell("lumenfall.progress");
  await pass(200);
  const cancel = root.querySelector(".lumenfall-running button");
  cancel.click();
  assert.deepEqual([cancel.disabled, cancel.textContent], [true, "sidebar.cominghome"]);
  await settled();
  assert.match(root.querySelector("[role=alert]").textContent, /500/);
  assert.deepEqual([cancel.disabled, cancel.textContent], [false, "sidebar.cancel"]);
});
