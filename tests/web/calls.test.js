// The history of calls, as it is fetched page by page.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Calls } from "../../web/js/calls.js";
import { History } from "../../web/js/history.js";
import { answers } from "./frontend/api.js";

let journal = [];

const made = (number) => ({
  id: `call-${number}`,
  sent_at: number,
  model: "m",
  prompt: `kite ${number}`,
  node_title: null,
  state: "done",
  cost: 1,
  currency: "CREDITS",
  pictures: [],
});

beforeEach(() => {
  journal = [];
  answers.set("/lumenfall/calls", (query) => {
    const matching = journal.filter((call) => call.prompt.includes(query.get("search") ?? ""));
    const start = query.get("before") ? matching.findIndex(({ id }) => id === query.get("before")) + 1 : 0;
    const end = start + Number(query.get("limit") ?? 30);
    return { running: [], calls: matching.slice(start, end), more: matching.length > end };
  });
});

const make = (from, to) => {
  for (let number = from; number <= to; number++) journal.unshift(made(number));
};

test("what was made elsewhere between two pages is fetched, once", async () => {
  const calls = new Calls();
  make(1, 100);
  assert.equal(await calls.take(await calls.page()), true);
  make(101, 250);
  await calls.take(await calls.page());
  assert.deepEqual(
    Array.from({ length: 180 }, (_, place) => `call-${71 + place}`).filter((id) => !calls.known.has(id)),
    [],
  );
  await calls.loadOlder();
  assert.equal(calls.known.size, 250);
  assert.equal(calls.more, false);
  assert.equal(await calls.take(await calls.page()), false);
});

test("a page that failed to come leaves no gap behind", async () => {
  const calls = new Calls();
  make(1, 40);
  await calls.take(await calls.page());
  make(41, 120);
  const newest = await calls.page();
  const route = answers.get("/lumenfall/calls");
  answers.delete("/lumenfall/calls");
  await assert.rejects(calls.take(newest));
  answers.set("/lumenfall/calls", route);
  await calls.take(await calls.page());
  assert.ok(calls.known.has("call-60"));
});

test("a call that was in the air for long is found where it belongs", async () => {
  const calls = new Calls();
  make(1, 30);
  const slow = journal.shift();
  await calls.take({ ...(await calls.page()), running: [slow] });
  make(31, 58);
  await calls.take({ ...(await calls.page()), running: [slow] });
  make(59, 70);
  journal.splice(40, 0, slow);
  await calls.take(await calls.page());
  assert.ok(calls.known.has(slow.id));
});

test("the filter finds what was never loaded, and prices in no currency are shown", async () => {
  make(1, 90);
  const history = new History();
  await history.take(await history.all.page());
  history.filter.value = "kite 7";
  await history.search();
  const shown = () => [...history.list.querySelectorAll(".lumenfall-words")].map((words) => words.textContent);
  assert.equal(shown().length, 11);
  assert.ok(shown().includes("kite 7"));
  assert.match(history.list.querySelector(".lumenfall-cost").textContent, /^1.* CREDITS$/);
  make(777, 777);
  await history.take(await history.all.page());
  assert.ok(shown().includes("kite 777"));
  history.filter.value = "";
  await history.search();
  assert.ok(shown().includes("kite 90"));
});

test("a filter that could not ask says why, and a page that did not come is asked for again", async () => {
  make(1, 40);
  const history = new History();
  await history.take(await history.all.page());
  const route = answers.get("/lumenfall/calls");
  answers.delete("/lumenfall/calls");
  await history.loadOlder();
  assert.match(history.trouble.textContent, /404/);
  answers.set("/lumenfall/calls", route);
  await history.loadOlder();
  assert.equal(history.trouble.hidden, true);
  assert.ok(history.find("call-1"));
  history.destroy();
});
