// Cards and amounts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { amountsIn, changedAmounts, wrongLine } from "../../web/js/amounts.js";
import { showToast } from "../../web/js/toast.js";

test("a card takes the place of the earlier one about the same, and the oldest makes room", () => {
  const told = () => [...document.querySelectorAll(".lumenfall-toast p")].map((one) => one.textContent);
  showToast({ title: "a", text: "first", key: 'odd "key" \\' });
  showToast({ title: "a", text: "second", key: 'odd "key" \\' });
  assert.deepEqual(told(), ["second"]);
  for (const text of ["third", "fourth", "fifth"]) showToast({ title: "a", text });
  assert.deepEqual(told(), ["third", "fourth", "fifth"]);
});

test("amounts are read line by line, and a line that is none is named", () => {
  assert.deepEqual(amountsIn("fal/x 0.04\n  \nEUR: 1.1"), { "fal/x": 0.04, EUR: 1.1 });
  assert.equal(wrongLine("fal/x 0.04\nfal/y four"), "fal/y four");
  assert.deepEqual(changedAmounts({ a: 1, b: 2 }, { b: 3, c: 4 }), { a: null, b: 3, c: 4 });
});
