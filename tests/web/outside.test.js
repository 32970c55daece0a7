// What comes from outside, or from the user's hand, stops nothing.

import assert from "node:assert/strict";
import { test } from "node:test";
import { openDialog } from "../../web/js/dialog.js";
import { loadModels } from "../../web/js/models.js";
import { openPicker } from "../../web/js/picker.js";
import { ago, date, day, money, onLanguage, readTexts, t } from "../../web/js/text.js";
import { answers } from "./frontend/api.js";
import { app } from "./frontend/app.js";

test("amounts and days of any kind are written somehow", () => {
  assert.equal(money(0.04, "USD"), "$0.04");
  assert.equal(money(12.5, "CREDITS"), "12.5 CREDITS");
  assert.equal(day("soon"), "soon");
  assert.equal(date("soon"), "soon");
  assert.equal(ago(null), "");
});

test("the language of the page is followed, with its plurals, and an odd one is English", async () => {
  const texts = { pictures: { one: "{count} picture", other: "{count} pictures" }, plain: "plain" };
  const german = { pictures: { one: "{count} Bild", other: "{count} Bilder" } };
  answers.set("/i18n", { en: { lumenfall: { sidebar: texts } }, de: { lumenfall: { sidebar: german } }, fr: {} });
  await readTexts();
  assert.deepEqual([0, 1, 2].map((count) => t("sidebar.pictures", { count })), ["0 pictures", "1 picture", "2 pictures"]);
  const heard = [];
  onLanguage(() => heard.push(t("sidebar.pictures", { count: 1 })));
  const choose = (value) =>
    app.ui.settings.dispatchEvent(Object.assign(new Event("Comfy.Locale.change"), { detail: { value } }));
  choose("de");
  assert.equal(t("sidebar.plain"), "plain");
  assert.equal(money(0.5, "EUR"), "0,50\u00a0\u20ac");
  choose("no_such language");
  assert.deepEqual(heard, ["1 Bild", "1 picture"]);
  choose("en");
});

test("a dialog is closed by a click beside it, and by none that began inside", () => {
  let input;
  openDialog({ title: "a", render: (body) => body.append((input = document.createElement("input"))) });
  const dialog = input.closest("dialog");
  const press = (target) => target.dispatchEvent(new window.Event("pointerdown", { bubbles: true }));
  const click = () => dialog.dispatchEvent(new window.Event("click", { bubbles: true }));
  press(input);
  click();
  assert.ok(dialog.isConnected);
  press(dialog);
  click();
  assert.ok(!dialog.isConnected);
});

test("the row that is told as active is the one that Enter picks", async () => {
  const model = (id) => ({ id, name: id, aliases: [], modes: ["generate"], price: 1, currency: "USD", successors: [] });
  const models = ["a/1", "a/2", "a/3"].map(model);
  answers.set("/lumenfall/models", { models, ended: [], nodes: {}, source: "bundled", compiled: null, failure: null });
  await loadModels();
  let picked;
  openPicker({ nodeClass: "LumenfallGenerate", current: "a/1", onpick: (slug) => (picked = slug) });
  const search = document.querySelector("dialog input");
  const key = (name) => search.dispatchEvent(new window.KeyboardEvent("keydown", { key: name, bubbles: true }));
  key("ArrowDown");
  key("ArrowDown");
  const told = document.getElementById(search.getAttribute("aria-activedescendant"));
  assert.equal(told.dataset.slug, "a/3");
  assert.equal(document.querySelectorAll(`#${told.id}`).length, 1);
  key("Enter");
  assert.equal(picked, told.dataset.slug);
});
