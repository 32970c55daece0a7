// The model picker: what becomes of it when the list of models arrives while it is open.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { loadModels } from "../../web/js/models.js";
import { openPicker } from "../../web/js/picker.js";
import { answers } from "./frontend/api.js";

const model = (id) => ({ id, name: id, modes: ["generate"], aliases: [], successors: [], price: 0.04, currency: "USD" });
const list = (...models) => ({ models, ended: [], nodes: {}, source: "server", compiled: null, failure: null });

let picked;

beforeEach(async () => {
  picked = [];
  answers.set("/lumenfall/models", list(model("one"), model("two")));
  await loadModels();
  openPicker({ nodeClass: "LumenfallGenerate", current: "one", onpick: (slug) => picked.push(slug) });
});

afterEach(() => {
  for (const dialog of document.querySelectorAll("dialog")) dialog.remove();
  answers.clear();
});

const row = (slug) => /** @type {HTMLElement} */ (document.querySelector(`[data-slug="${slug}"]`));

test("a row that is pressed while an equal list arrives is still there when it is let go", async () => {
  const pressed = row("two");
  await loadModels();
  assert.equal(row("two"), pressed);
  pressed.click();
  assert.deepEqual(picked, ["two"]);
});

test("a list that says something else is shown", async () => {
  answers.set("/lumenfall/models", list(model("one"), { ...model("two"), name: "Two" }, model("three")));
  await loadModels();
  assert.ok(row("three"));
  assert.match(row("two").textContent, /^Two/);
});
